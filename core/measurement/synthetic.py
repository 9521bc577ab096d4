"""Made-up samples for models that are timed without data.

They have the shapes and types the model asks for and mean nothing. Times of most models do not
depend on values; those of models that skip work on zeros or stop early do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.measurement.feeds import ELEMENT_TYPES
from core.records import BadInput, DatasetProfile, Deployment, Finding, PreparedData, Splits
from core.sandbox import open_session

_SAMPLES = 16
_IMAGE_SIDE = 224
_LENGTH = 128
_INTEGERS = 2  # 0 and 1 only: any table of embeddings has at least these two rows


def make_samples(model: Path, deployment: Deployment, folder: Path, seed: int) -> PreparedData:
    """Writes samples that fit a model's inputs, in the layout of prepared data.

    Floats are normally distributed, integers and booleans are 0 or 1. An unknown size becomes
    224 in an input of 4 axes, an image, and 128 in any other.

    Args:
        model: Its file; read in the sandbox.
        deployment: Threads and batch size.
        folder: New or empty.
        seed: Of the values.

    Raises:
        BadInput: The model does not load, or has an input without a batch axis or of text.
    """
    session = open_session(model, deployment)
    count = max(_SAMPLES, deployment.batch_size)
    random = np.random.default_rng(seed)
    (folder / "inputs").mkdir(parents=True)
    for position, node in enumerate(session.get_inputs()):
        kind = ELEMENT_TYPES.get(node.type)
        if kind is None or not node.shape:
            raise BadInput(
                f'Samples for the input "{node.name}" cannot be made up; give data with --data.'
            )
        unknown = _IMAGE_SIDE if len(node.shape) == 4 else _LENGTH
        shape = [size if isinstance(size, int) else unknown for size in node.shape[1:]]
        values = _values(random, (count, *shape), kind)
        np.save(folder / "inputs" / f"{position}.npy", values, allow_pickle=False)
    np.save(folder / "labels.npy", np.zeros(count, dtype=np.int64), allow_pickle=False)
    return PreparedData(
        folder=str(folder),
        input_names=tuple(node.name for node in session.get_inputs()),
        profile=_profile(count),
    )


def _values(random: np.random.Generator, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    if kind.startswith("float"):
        return random.standard_normal(shape).astype(kind)
    return random.integers(_INTEGERS, size=shape).astype(kind)


def _profile(count: int) -> DatasetProfile:
    return DatasetProfile(
        sha256="",
        kind="npz",
        samples=count,
        classes=1,
        class_names=("synthetic",),
        class_counts=(count,),
        splits=Splits(calibration=0, search=count, confirm=0),
        preprocessing=None,
        findings=(
            Finding(
                severity="info",
                code="synthetic",
                sentence="No data was given, so the models were timed on made-up samples.",
            ),
        ),
    )
