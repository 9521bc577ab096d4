"""Names from an upload, made fit for a sentence."""

from __future__ import annotations

from collections.abc import Iterable


def shown(name: object, limit: int = 60) -> str:
    """A file name or label as it may stand in a sentence: printable, on one line, not too long.

    Args:
        name: Anything from an upload; its text is used.
        limit: Most characters; of a longer text the middle is left out.
    """
    text = "".join(character if character.isprintable() else "?" for character in str(name))
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def listing(names: Iterable[object], most: int = 3) -> str:
    """The first few names, and how many more there are: ``a, b, c and 4 more``."""
    every = [shown(name, 40) for name in names]
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more} more" if more > 0 else "")
