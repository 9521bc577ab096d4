"""Writes a dataset as model inputs, once, in the order of its splits."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.datasets.images import UnreadableImage
from core.datasets.inputs import Array, input_dtype, picture_shape
from core.datasets.preprocess import check_preprocessing
from core.datasets.samples import Images
from core.datasets.survey import Survey, survey
from core.datasets.wording import shown
from core.records import (
    BadInput,
    ModelProfile,
    PreparedData,
    Preprocessing,
    Report,
    Splits,
    TensorInfo,
)

_LOOKING_SHARE = 0.4
"""Part of the time that looking at the samples takes before they are written."""


def prepare(
    path: Path,
    model: ModelProfile,
    preprocessing: Preprocessing | None,
    folder: Path,
    seed: int,
    report: Report = lambda fraction, words: None,
) -> PreparedData:
    """Preprocesses a dataset once and for all; belongs into the sandbox.

    Values are cast to the type of their input: float32 from any numbers, whole numbers where
    they fit. Equal arguments write equal bytes.

    Args:
        path: Dataset file or folder; see :func:`core.datasets.profile_dataset`.
        model: The model that the samples are for.
        preprocessing: Of pictures; unused for arrays.
        folder: Receives ``inputs/<position>.npy`` and ``labels.npy``.
        seed: Of the split.
        report: Told while the samples are looked at, and while they are written.

    Raises:
        BadInput: The dataset cannot be used, or its preprocessing is missing or does not fit.
    """
    with tempfile.TemporaryDirectory() as scratch:
        seen = survey(
            path,
            model,
            preprocessing,
            seed,
            Path(scratch),
            lambda fraction, words: report(_LOOKING_SHARE * fraction, words),
        )
        return _write(
            seen,
            model,
            preprocessing,
            folder,
            lambda fraction, words: report(_LOOKING_SHARE + (1 - _LOOKING_SHARE) * fraction, words),
        )


def prepare_calibration(
    path: Path,
    model: ModelProfile,
    presets: Mapping[str, Preprocessing],
    folder: Path,
    seed: int,
    report: Report = lambda fraction, words: None,
) -> dict[str, PreparedData]:
    """Prepares only the calibration split, once under each of several preprocessings.

    For finding out which one a model wants; the samples are looked at only once.

    Args:
        path: Dataset file or folder.
        model: The model that the samples are for.
        presets: Preprocessings by name.
        folder: Receives one folder per name.
        seed: Of the split; the same as for :func:`prepare`.
        report: Told while the samples are looked at.

    Returns:
        By name, data in which *search* and *confirm* are empty. Empty where the samples are
        arrays: there is nothing to find.

    Raises:
        BadInput: The dataset cannot be used.
    """
    with tempfile.TemporaryDirectory() as scratch:
        seen = survey(path, model, None, seed, Path(scratch), report)
        if not isinstance(seen.samples, Images):
            return {}
        first = _calibration_only(seen)
        return {
            name: _write(
                replace(first, profile=replace(first.profile, preprocessing=preprocessing)),
                model,
                preprocessing,
                folder / name,
                lambda fraction, words: None,
            )
            for name, preprocessing in presets.items()
        }


def _write(
    seen: Survey,
    model: ModelProfile,
    preprocessing: Preprocessing | None,
    folder: Path,
    report: Report,
) -> PreparedData:
    """Writes the samples of a survey row by row: no more than one is ever in memory."""
    if isinstance(seen.samples, Images) and preprocessing is not None:
        check_preprocessing(preprocessing)
        picture_shape(model, preprocessing)
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    total = len(seen.order)
    with ExitStack() as stack:
        columns = [
            stack.enter_context(_Column(folder / "inputs" / f"{position}.npy", total, entry))
            for position, entry in enumerate(model.inputs)
        ]
        for done, index in enumerate(seen.order.tolist(), start=1):
            rows = _read(seen, index, preprocessing)
            for column, row in zip(columns, rows, strict=True):
                column.append(row)
            report(done / total, f"prepared {done} of {total} samples")
    np.save(folder / "labels.npy", seen.labels, allow_pickle=False)
    return PreparedData(
        folder=str(folder),
        input_names=tuple(entry.name for entry in model.inputs),
        profile=seen.profile,
    )


class _Column:
    """One model input's samples, appended to an ``.npy`` file."""

    def __init__(self, path: Path, rows: int, entry: TensorInfo) -> None:
        self._file = path.open("wb")
        self._rows = rows
        self._dtype = input_dtype(entry)
        self._begun = False

    def __enter__(self) -> _Column:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, row: Array) -> None:
        """Writes a sample; the first one says what shape all have."""
        if not self._begun:
            self._begun = True
            shape = (self._rows, *row.shape)
            descr = np.lib.format.dtype_to_descr(self._dtype)
            header = {"descr": descr, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self._file, header)
        with np.errstate(over="ignore"):  # beyond float16: infinite, as the model would have it
            self._file.write(np.ascontiguousarray(row, dtype=self._dtype).tobytes())


def _read(seen: Survey, index: int, preprocessing: Preprocessing | None) -> tuple[Array, ...]:
    try:
        return seen.samples.inputs(index, preprocessing)
    except UnreadableImage as reason:
        raise BadInput(
            f"The picture {shown(seen.samples.name(index))} cannot be read ({reason}): mend or "
            "remove it."
        ) from None


def _calibration_only(seen: Survey) -> Survey:
    count = seen.profile.splits.calibration
    splits = Splits(calibration=count, search=0, confirm=0)
    return Survey(
        seen.samples,
        seen.order[:count],
        seen.labels[:count],
        replace(seen.profile, samples=count, splits=splits),
    )
