"""Which samples the model was trained on, by the list of its training files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.hashing import hash_file
from core.datasets.samples import Arrays, Samples
from core.records import BadInput, Finding

TRAINING_LIST = "training.txt"

MAX_LINES = 5_000_000
MAX_LINE_BYTES = 10_000
"""A digest and a path; the longest path that Linux opens has 4,096 bytes."""

_LINE = re.compile(rb"\\?([0-9a-fA-F]{64})(?:[ \t].*)?", re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """Which samples the model was trained on."""

    mask: NDArray[np.bool_]
    """True for a sample whose file is listed, and for every copy of one; shape ``(samples,)``."""
    listed: int
    """Samples whose own file is listed."""
    lines: int
    """Digests in the list; 0 if there is no list."""


def find_trained_on(
    samples: Samples, kept: NDArray[np.int64], groups: NDArray[np.int64]
) -> TrainedOn:
    """Finds the samples that a dataset's ``training.txt`` names, and the copies of these.

    The list holds the SHA-256 digests of the training files as ``sha256sum`` prints them: a
    digest a line, and after a blank whatever name. Blank lines and lines that start with ``#``
    are passed over. It is read line by line and never held in memory.

    Args:
        samples: The dataset.
        kept: Positions in it of the samples that are used, shape ``(samples,)``.
        groups: A number for each of them; equal numbers are copies of one another.

    Raises:
        BadInput: The list holds something else, nothing, or more than :data:`MAX_LINES` lines.
    """
    if isinstance(samples, Arrays) or samples.training_list is None:
        return TrainedOn(np.zeros(len(kept), dtype=bool), 0, 0)
    digests = [bytes.fromhex(hash_file(samples.files[index])) for index in kept.tolist()]
    own = set(digests)
    found: set[bytes] = set()
    lines = 0
    for digest in _read_digests(samples.training_list):
        lines += 1
        if digest in own:
            found.add(digest)
    if not lines:
        raise BadInput(
            f"{TRAINING_LIST} holds no SHA-256 digest: list the training files with sha256sum, or "
            "remove it."
        )
    listed = np.array([digest in found for digest in digests], dtype=bool)
    return TrainedOn(np.isin(groups, groups[listed]), int(listed.sum()), lines)


def describe_trained_on(trained_on: TrainedOn, used: int) -> tuple[Finding, ...]:
    """What people should know about the samples that the model was trained on.

    Args:
        trained_on: What was found.
        used: How many of them calibration took in.
    """
    if not trained_on.lines:
        return ()
    count = int(trained_on.mask.sum())
    if not count:
        return (
            Finding(
                severity="info",
                code="not_trained_on",
                sentence=f"No sample is among the {trained_on.lines:,} training files of "
                f"{TRAINING_LIST}; files that were saved again since would not be recognised.",
            ),
        )
    return (
        Finding(
            severity="warning",
            code="trained_on",
            sentence=f"The model was trained on {count:,} of the samples ({trained_on.listed:,} "
            f"named in {TRAINING_LIST}, {count - trained_on.listed:,} copies of these): {used:,} "
            f"went into calibration and {count - used:,} were left out, so that accuracy is "
            "measured on none of them.",
        ),
    )


def _read_digests(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        for number, raw in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), start=1):
            if number > MAX_LINES:
                raise BadInput(
                    f"{TRAINING_LIST} has more than {MAX_LINES:,} lines: list only the training "
                    "files that could be among the samples."
                )
            line = (raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw).strip()
            if not line or line.startswith(b"#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise BadInput(
                    f"Line {number:,} of {TRAINING_LIST} is not a SHA-256 digest (64 hexadecimal "
                    "digits, then a blank and any name, in UTF-8): list the training files with "
                    "sha256sum, or remove it."
                )
            yield bytes.fromhex(match[1].decode())
