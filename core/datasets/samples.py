"""Labelled samples as the readers find them: pictures in files, or arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.datasets.images import open_image
from core.datasets.inputs import Array
from core.datasets.leakage import Fingerprint, fingerprint_array, fingerprint_picture
from core.datasets.preprocess import preprocess
from core.records import BadInput, DataKind, Finding, Preprocessing

_DRAFT_SIDE = 128
"""Pixels a side at which JPEGs are looked at for copies; see :func:`open_image`."""


@dataclass(frozen=True, slots=True)
class Images:
    """Pictures in files."""

    kind: DataKind
    root: Path
    files: tuple[Path, ...]
    labels: tuple[str, ...]
    """As they were given, one per file."""
    listed_classes: tuple[str, ...] | None = None
    """The lines of ``classes.txt``."""
    findings: tuple[Finding, ...] = ()
    training_list: Path | None = None
    """The file ``training.txt``; see :func:`core.datasets.training.find_trained_on`."""

    def name(self, index: int) -> str:
        """The file's path in the dataset."""
        return self.files[index].relative_to(self.root).as_posix()

    def fingerprint(self, index: int) -> Fingerprint:
        """Decodes a picture for what tells it from others.

        Raises:
            BadInput: It is too large.
            UnreadableImage: It cannot be decoded.
        """
        return fingerprint_picture(open_image(self.files[index], draft=_DRAFT_SIDE))

    def inputs(self, index: int, preprocessing: Preprocessing | None) -> tuple[Array, ...]:
        """One sample as model input, without the batch axis.

        Raises:
            BadInput: No preprocessing was chosen.
            UnreadableImage: It cannot be decoded.
        """
        if preprocessing is None:
            raise BadInput("Choose how the pictures become model inputs: a preset, or custom.")
        return (preprocess(open_image(self.files[index]).image, preprocessing),)


@dataclass(frozen=True, slots=True)
class Arrays:
    """Arrays, one per model input, in the order of the inputs."""

    columns: tuple[Array, ...]
    """Each of shape ``(samples, ...)``, memory-mapped, of the type its input takes or one
    that can be cast to it."""
    labels: tuple[str, ...]
    listed_classes: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()
    kind: DataKind = "npz"

    def name(self, index: int) -> str:
        """The sample's number."""
        return f"sample {index}"

    def fingerprint(self, index: int) -> Fingerprint:
        """What tells a sample from others."""
        return fingerprint_array(*(column[index] for column in self.columns))

    def inputs(self, index: int, _preprocessing: Preprocessing | None) -> tuple[Array, ...]:
        """One sample's arrays, without the batch axis."""
        return tuple(column[index] for column in self.columns)


Samples = Images | Arrays
