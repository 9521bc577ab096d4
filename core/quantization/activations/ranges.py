"""Ranges of activations from their observed values: min-max, percentile, entropy, squared error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import (
    CalibrationMethod,
    TensorData,
    TensorsData,
    save_tensors_data,
)

from core.quantization.activations.histogram import Histogram
from core.quantization.activations.masks import MARGIN
from core.quantization.activations.observe import Activation
from core.records import Calibration

Range = tuple[float, float]
Counts = NDArray[np.floating[Any]]

ENTROPY_BINS: Final = 2048
QUANTIZED_BINS: Final = 128
_ENTROPY_STEP: Final = 16
"""Only every sixteenth clipping threshold is tried: neighbours hardly differ."""
_SMOOTHING: Final = 1e-4
_CLIP_POINTS: Final = 128
_LEVELS: Final = 255


def activation_range(
    activation: Activation, method: Calibration, percentile: float = 99.99
) -> Range:
    """The range that a tensor's values are quantized in.

    Args:
        activation: With a histogram for every method but ``minmax``.
        method: How it is chosen.
        percentile: Share of the values in percent that a percentile range holds; what is left
            out is the same on both sides.

    Returns:
        Its ends. Below a tensor with an attention mask there is room for what is masked.
    """
    if activation.lowest > activation.highest:
        return 0.0, 0.0
    low, high = activation.lowest, activation.highest
    if method != "minmax" and low < high:
        assert activation.histogram is not None  # noqa: S101  the observation was asked for one
        match method:
            case "percentile":
                found = percentile_range(activation.histogram, percentile)
            case "entropy":
                found = entropy_range(*symmetric_histogram(activation.histogram, low, high))
            case "mse":
                found = mse_range(activation.histogram, low, high)
        low, high = max(low, found[0]), min(high, found[1])
    if activation.masked:
        low -= MARGIN
    return low, high


def percentile_range(histogram: Histogram, percentile: float) -> Range:
    """Leaves out the outermost values, as many on each side, as ``PercentileCalibrater`` does."""
    total = np.cumsum(histogram.counts)
    cut = (100 - percentile) / 200
    bins = np.searchsorted(total, [cut * total[-1], (1 - cut) * total[-1]])
    low, high = histogram.edges[bins]
    return float(low), float(high)


def symmetric_histogram(
    histogram: Histogram, lowest: float, highest: float, bins: int = ENTROPY_BINS
) -> tuple[Counts, NDArray[np.float64]]:
    """Counts and edges on an even grid to the largest magnitude, as onnxruntime's collector."""
    extreme = max(abs(lowest), abs(highest))
    edges = np.linspace(-extreme, extreme, bins + 1)
    total = np.concatenate([[0.0], np.cumsum(histogram.counts, dtype=np.float64)])
    return np.diff(np.rint(np.interp(edges, histogram.edges, total))), edges


def entropy_range(counts: Counts, edges: NDArray[np.float64], step: int = _ENTROPY_STEP) -> Range:
    """The threshold whose clipped and quantized values tell least apart from the values.

    Migacz, "8-bit Inference with TensorRT" (GTC 2017), as in onnxruntime's ``EntropyCalibrater``:
    symmetric thresholds, 128 quantized bins, least Kullback-Leibler divergence.

    Args:
        counts: Of an even number of bins, symmetric around zero.
        edges: Their borders.
        step: Bins between the thresholds that are tried.
    """
    middle = counts.size // 2
    best, found = np.inf, (float(edges[0]), float(edges[-1]))
    for reach in sorted({*range(QUANTIZED_BINS // 2, middle + 1, step), middle}):
        start, end = middle - reach, min(middle + reach + 1, counts.size)
        divergence = _divergence(counts, start, end)
        if divergence < best:
            best, found = divergence, (float(edges[start]), float(edges[end]))
    return found


def _divergence(counts: Counts, start: int, end: int) -> float:
    inside = counts[start:end]
    clipped = inside.copy()
    clipped[0] += counts[:start].sum()
    clipped[-1] += counts[end:].sum()
    occupied = clipped != 0
    merged = inside.size // QUANTIZED_BINS
    starts = np.arange(0, QUANTIZED_BINS * merged, merged)
    sums = np.add.reduceat(inside, starts)
    # What is left over at the end belongs to the last quantized bin, but is not spread out again.
    spread = np.add.reduceat(occupied[: starts.size * merged].astype(np.int64), starts)
    share = np.floor(np.divide(sums, spread, out=np.zeros_like(sums), where=spread > 0))
    quantized = np.zeros_like(inside)
    quantized[: starts.size * merged] = np.repeat(share, merged)
    p, q = _smooth(clipped), _smooth(quantized)
    if p is None or q is None:
        return float(np.inf)
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def _smooth(counts: Counts) -> Counts | None:
    """Gives empty bins a little of the others' share; None where all are empty."""
    empty = counts == 0
    filled = counts.size - int(empty.sum())
    if filled == 0:
        return None
    return np.where(empty, _SMOOTHING, counts - _SMOOTHING * (counts.size - filled) / filled)


def mse_range(histogram: Histogram, lowest: float, highest: float) -> Range:
    """The range with the least squared error of unsigned 8-bit quantization.

    The error of a value inside is taken to be even over a step (step squared / 12, Bennett 1948),
    but for those that round to zero, which is exact; a value outside errs by its distance.
    """
    middles = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    sums = [
        np.concatenate([[0.0], np.cumsum(histogram.counts * middles**power)]) for power in range(3)
    ]

    def up_to(power: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        below: NDArray[np.float64] = np.interp(values, histogram.edges, sums[power])
        return below

    shares = np.arange(1, _CLIP_POINTS + 1) / _CLIP_POINTS
    lows = shares * lowest if lowest < 0 else np.zeros(1)
    highs = shares * highest if highest > 0 else np.zeros(1)
    below = up_to(2, lows) - 2 * lows * up_to(1, lows) + lows**2 * up_to(0, lows)
    above = (
        (sums[2][-1] - up_to(2, highs))
        - 2 * highs * (sums[1][-1] - up_to(1, highs))
        + highs**2 * (sums[0][-1] - up_to(0, highs))
    )
    steps = (highs[None, :] - lows[:, None]) / _LEVELS
    inside = up_to(0, highs)[None, :] - up_to(0, lows)[:, None]
    left, right = np.maximum(-steps / 2, lows[:, None]), np.minimum(steps / 2, highs[None, :])
    zeros, near_zero = up_to(0, right) - up_to(0, left), up_to(2, right) - up_to(2, left)
    rounding = (inside - zeros) * steps**2 / 12
    error = below[:, None] + above[None, :] + rounding + near_zero
    row, column = np.unravel_index(int(error.argmin()), error.shape)
    return float(lows[row]), float(highs[column])


def save_ranges(
    path: Path,
    activations: Mapping[str, Activation],
    tensors: Iterable[str],
    method: Calibration,
    percentile: float,
) -> None:
    """Writes the ranges of some tensors as a calibration cache of ``quantize_static``.

    The cache says ``MinMax``: that is its form with nothing but two ends for each tensor.
    """
    data = {}
    for name in tensors:
        low, high = activation_range(activations[name], method, percentile)
        data[name] = TensorData(lowest=np.float32(low), highest=np.float32(high))
    save_tensors_data(TensorsData(CalibrationMethod.MinMax, data), path)
