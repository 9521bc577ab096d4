"""Lists that may lie beside the samples: ``classes.txt`` and ``training.txt``."""

from __future__ import annotations

from pathlib import Path

from core.datasets.readers.tree import Tree
from core.records import BadInput

_MAX_CLASSES_FILE = 10_000_000  # bytes


def find_list(tree: Tree, name: str) -> Path | None:
    """The list of a name (whatever its case) in the root, or in a folder that the root lies in."""
    above = (file for file in tree.files if tree.root.is_relative_to(file.parent))
    return next((file for file in (*above, *tree.beside) if file.name.lower() == name), None)


def read_classes(tree: Tree) -> tuple[str, ...] | None:
    """The lines of ``classes.txt``, one class name per output; None if there is none.

    Raises:
        BadInput: It is too large, or not UTF-8 text.
    """
    file = find_list(tree, "classes.txt")
    if file is None:
        return None
    if file.stat().st_size > _MAX_CLASSES_FILE:
        raise BadInput("classes.txt is too large: give one class name per line.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("classes.txt is not UTF-8 text: save it again in UTF-8.") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())
