"""Feeds calibration samples to a model, one run at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader

from core.records import BadInput, PreparedData, Report
from core.sandbox import load_inputs

_RUNS_A_MAPPING = 32
"""What was read of a mapped file counts as this process's memory until it is mapped anew."""


class CalibrationSamples(CalibrationDataReader):  # type: ignore[misc]
    """Hands out the calibration split, in the form that onnxruntime's calibrators ask for too.

    One sample a run, or as many as a model with a fixed batch wants. However many there are, few
    are in memory.

    Args:
        prepared: The dataset.
        samples: How many of its calibration samples are used.
        batch_size: Samples a run.
        seed: Decides which, where there are more.
        report: Told the share that was handed out.

    Raises:
        BadInput: There are none.
    """

    def __init__(
        self, prepared: PreparedData, samples: int, batch_size: int, seed: int, report: Report
    ) -> None:
        available = prepared.profile.splits.calibration
        self._count = min(samples, available)
        if self._count == 0:
            message = "There are no calibration samples; add images to the dataset."
            raise BadInput(message)
        self._prepared = prepared
        self._inputs: dict[str, NDArray[Any]] = {}
        chosen = np.random.default_rng(seed).permutation(available)[: self._count]
        self._chosen = np.sort(chosen)
        self._batch_size = batch_size
        self._position = 0
        self._report = report

    @property
    def identity(self) -> str:
        """Differs wherever the samples may differ: dataset, preprocessing, choice."""
        dataset = self._prepared.profile
        return repr((dataset.sha256, dataset.preprocessing, dataset.splits, self._chosen.tolist()))

    def __len__(self) -> int:
        return -(-self._count // self._batch_size)

    def rewind(self) -> None:
        """Starts over with the first run."""
        self._position = 0

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next run's inputs by name; None after the last."""
        if self._position >= self._count:
            self._report(1.0, "Quantizing")
            return None
        if self._position % (_RUNS_A_MAPPING * self._batch_size) == 0:
            self._inputs = load_inputs(self._prepared, "calibration")
        rows = self._chosen[self._position : self._position + self._batch_size]
        self._report(self._position / self._count, f"Calibrating: {self._position} samples")
        self._position += self._batch_size
        return {name: take(values, rows, self._batch_size) for name, values in self._inputs.items()}


def take(values: NDArray[Any], rows: NDArray[np.integer[Any]], count: int) -> NDArray[Any]:
    """Reads ``count`` samples, the given rows, repeated where they are too few."""
    return np.ascontiguousarray(values[np.resize(rows, count)])


def fixed_batch(model: onnx.ModelProto) -> int | None:
    """The batch size that a model's inputs insist on; None where it is open."""
    sizes = set()
    for value in model.graph.input:
        shape = value.type.tensor_type.shape.dim
        sizes.add(shape[0].dim_value if shape and shape[0].HasField("dim_value") else 0)
    fixed = max(sizes, default=0)
    return fixed or None
