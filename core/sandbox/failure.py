"""Why a child ended without an answer, in one sentence for people."""

from __future__ import annotations

import re
import signal
from typing import Literal

from core.sandbox.limits import Limits

FailureKind = Literal["error", "crash", "memory", "time"]

# How Python, C++, onnxruntime, numpy, OpenBLAS and the C library say that memory is out.
_OUT_OF_MEMORY = re.compile(
    r"MemoryError|bad_alloc|bad allocation|[Ff]ailed to allocate memory|[Cc]annot allocate memory"
    r"|Unable to allocate|Memory allocation still failed|failed to map segment"
)
_LAST_WORDS = 4_000  # characters of the tail in which a cause is looked for


class SandboxFailure(Exception):  # noqa: N818  (it names what happened to the work)
    """The child crashed, needed too much, or failed in a way that is not the user's input.

    Attributes:
        sentence: For people: what happened and what to do.
        kind: ``memory``, ``time``, ``crash`` (a signal), or ``error`` (anything else).
        detail: The end of what the child printed, for logs; never shown as the message.
    """

    def __init__(self, sentence: str, kind: FailureKind = "error", detail: str = "") -> None:
        # All three go to Exception, so that it can be pickled.
        super().__init__(sentence, kind, detail)
        self.sentence = sentence
        self.kind = kind
        self.detail = detail

    def __str__(self) -> str:
        return self.sentence


def explain_end(returncode: int, detail: str, limits: Limits) -> SandboxFailure:
    """Says why a child ended without an answer.

    Args:
        returncode: As :mod:`subprocess` gives it: negative for a signal.
        detail: The end of what it printed.
        limits: Those it ran under.
    """
    last_words = detail[-_LAST_WORDS:]
    if returncode == -signal.SIGXCPU:
        return SandboxFailure(
            f"This step needed more than {_duration(limits.cpu_seconds)} of processor time and was "
            "stopped; try a smaller model or fewer samples.",
            "time",
            detail,
        )
    if _OUT_OF_MEMORY.search(last_words):
        return SandboxFailure(
            f"This step needed more than {_size(limits.memory_bytes)} of memory and was stopped; "
            "try a smaller model, a smaller batch or fewer samples.",
            "memory",
            detail,
        )
    if returncode == -signal.SIGKILL:
        return SandboxFailure(
            "The machine ran out of memory and stopped this step; try a smaller model or fewer "
            "samples, or a machine with more memory.",
            "memory",
            detail,
        )
    if returncode < 0:
        return SandboxFailure(
            "The library that reads or runs these files crashed on them; export them again, and "
            "if it crashes again, they cannot be used here.",
            "crash",
            detail,
        )
    if "[Errno 28]" in last_words:  # ENOSPC
        return SandboxFailure(
            "The disk of this machine is full; free some space and try again.", "error", detail
        )
    if "[Errno 27]" in last_words:  # EFBIG
        return SandboxFailure(
            f"This step would have written a file of more than {_size(limits.file_bytes)} and was "
            "stopped; try a smaller model or fewer samples.",
            "error",
            detail,
        )
    return SandboxFailure(
        "This step failed in a way nobody foresaw; try again, and if it fails again, report it "
        "with the log.",
        "error",
        detail,
    )


def out_of_time(limits: Limits, detail: str) -> SandboxFailure:
    """Says that the wall clock's limit was reached."""
    return SandboxFailure(
        f"This step took longer than {_duration(limits.wall_seconds)} and was stopped; try a "
        "smaller model or fewer samples.",
        "time",
        detail,
    )


def bad_answer(detail: str) -> SandboxFailure:
    """Says that the child's answer is not what its function returns."""
    return SandboxFailure(
        "The work on these files ended without a usable answer; try again, and if it fails again, "
        "report it with the log.",
        "error",
        detail,
    )


def _duration(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds / 60:.0f} minutes"
    return "1 second" if seconds == 1 else f"{seconds:g} seconds"


def _size(count: int) -> str:
    gib = count / 1024**3
    return f"{gib:.0f} GB" if gib >= 1 else f"{count / 1024**2:.0f} MB"
