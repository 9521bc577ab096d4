"""What the upload pages ask of the engine about files in the store, before any evaluation runs.

Each function brings the files into a private folder, lets the sandbox look at them, and
removes the folder again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core import sandbox
from core.datasets import preview, profile_dataset
from core.finder import FoundPreprocessing, find_preprocessing
from core.intake import locate_model, profile_model
from core.records import (
    DatasetProfile,
    Deployment,
    ModelProfile,
    Preprocessing,
    Report,
)
from core.storage import Storage, StoredFile

SEED = 0
"""Of the split; an evaluation's request carries the same one."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A sample as it was uploaded and as the model will see it; both PNG bytes."""

    original: bytes
    preprocessed: bytes
    label: str
    minimum: float
    maximum: float
    mean: float


def check_model(storage: Storage, files: Sequence[StoredFile]) -> ModelProfile:
    """Profiles an uploaded model.

    Raises:
        BadInput: It cannot be used; one sentence says why and what to do.
        SandboxFailure: Looking at it crashed or ran out of its limits.
    """
    with _brought(storage, files) as path:
        return sandbox.call(
            profile_model, sandbox.call(locate_model, path, path.parent / "unpacked")
        )


def check_dataset(
    storage: Storage,
    files: Sequence[StoredFile],
    model: ModelProfile,
    preprocessing: Preprocessing | None,
) -> DatasetProfile:
    """Profiles an uploaded dataset for a model.

    Raises:
        BadInput: It cannot be used with this model; one sentence says why and what to do.
        SandboxFailure: Looking at it crashed or ran out of its limits.
    """
    with _brought(storage, files) as path:
        return sandbox.call(profile_dataset, path, model, preprocessing, SEED)


def preview_samples(
    storage: Storage, files: Sequence[StoredFile], preprocessing: Preprocessing
) -> tuple[Preview, ...]:
    """Some samples before and after preprocessing.

    Raises:
        BadInput: The pictures cannot be read.
    """
    with _brought(storage, files) as path:
        samples = sandbox.call(preview, path, preprocessing, path.parent / "preview")
        return tuple(
            Preview(
                original=Path(sample.original).read_bytes(),
                preprocessed=Path(sample.preprocessed).read_bytes(),
                label=sample.label,
                minimum=sample.minimum,
                maximum=sample.maximum,
                mean=sample.mean,
            )
            for sample in samples
        )


def try_presets(
    storage: Storage,
    model_files: Sequence[StoredFile],
    data_files: Sequence[StoredFile],
    model: ModelProfile,
    report: Report,
) -> FoundPreprocessing:
    """Finds the preprocessing preset under which the uploaded model answers best.

    Raises:
        BadInput: No preset fits, or the model fails when it is run.
    """
    with _brought(storage, model_files) as path, _brought(storage, data_files) as data:
        source = sandbox.call(locate_model, path, path.parent / "unpacked")
        return find_preprocessing(
            source, model, data, Deployment(), SEED, path.parent / "finder", report
        )


@contextmanager
def _brought(storage: Storage, files: Sequence[StoredFile]) -> Iterator[Path]:
    """The files in a private folder: the one file's path, or the folder where they are several."""
    storage.settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=storage.settings.work, prefix="upload-") as work:
        folder = Path(work) / "files"
        for file in files:
            storage.files.fetch(file.sha256, folder / file.name)
        yield folder / files[0].name if len(files) == 1 else folder
