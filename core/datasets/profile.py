"""What a dataset holds, before anything is made of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from core.datasets.survey import survey
from core.records import DatasetProfile, ModelProfile, Preprocessing, Report


def profile_dataset(
    path: Path,
    model: ModelProfile,
    preprocessing: Preprocessing | None,
    seed: int,
    report: Report = lambda fraction, words: None,
) -> DatasetProfile:
    """Reads a dataset for a model, looks at every sample and splits it; belongs into the sandbox.

    Args:
        path: A folder or zip of class subfolders, one with pictures and ``labels.csv``, or an
            ``.npz``. Beside pictures ``training.txt`` may list the SHA-256 digests of the files
            that the model was trained on, as ``sha256sum`` prints them: such samples, and copies
            of them, go into calibration or are left out.
        model: The model that the samples are for.
        preprocessing: Of pictures; None: not chosen yet. Unused for arrays.
        seed: Of the split.
        report: Told while the samples are looked at.

    Returns:
        Its profile; :func:`core.datasets.prepare` arrives at the same one.

    Raises:
        BadInput: The dataset cannot be used.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return survey(path, model, preprocessing, seed, Path(scratch), report).profile
