"""Tensors whose values follow from another's, element by element: they need not be watched.

Activation functions rise or fall between few turning points, so the range and the histogram of
their results are those of their input, mapped. Watching the input alone halves the work on a CNN,
and leaves onnxruntime's fused activations whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import expit, lambertw

from core.quantization.activations.histogram import BINS, Counts, Histogram
from core.quantization.graph import Graph, attribute

Array = NDArray[np.float64]
_SAME_VALUES = frozenset({"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"})
# Whether a SiLU reaches its minimum is known only where there are values enough to come close.
_FEWEST_VALUES = 1024


@dataclass(frozen=True)
class Curve:
    """A function of one variable.

    Attributes:
        apply: Its values.
        turns: Where it turns from falling to rising or back, ascending.
    """

    apply: Callable[[Array], Array]
    turns: tuple[float, ...] = ()


@dataclass(frozen=True)
class Derived:
    """A tensor with the one it follows from; no curve where it holds the same values."""

    source: str
    curve: Curve | None


SILU = Curve(lambda x: x * expit(x), (-1 - float(lambertw(np.exp(-1)).real),))
"""Elfwing et al., "Sigmoid-Weighted Linear Units" (2018); its slope is zero at -1 - W(1/e)."""


def derived_tensors(graph: Graph, sizes: Mapping[str, int]) -> dict[str, Derived]:
    """Lists the float tensors that follow from another.

    Args:
        graph: Prepared FP32 model.
        sizes: Its float tensors with their known number of values per sample.
    """
    found: dict[str, Derived] = {}
    for node in graph.nodes:
        if node.domain in ("", "ai.onnx") and node.output and node.output[0] in sizes:
            derived = _derived(graph, node, sizes)
            if derived is not None and derived.source in sizes:
                found[node.output[0]] = derived
    return found


def _derived(graph: Graph, node: onnx.NodeProto, sizes: Mapping[str, int]) -> Derived | None:
    if node.op_type == "Mul":
        return _gated(graph, node) if sizes[node.output[0]] >= _FEWEST_VALUES else None
    if node.op_type in _SAME_VALUES:
        return Derived(node.input[0], None)
    curve = _activation(graph, node)
    return None if curve is None else Derived(node.input[0], curve)


def _activation(graph: Graph, node: onnx.NodeProto) -> Curve | None:
    match node.op_type:
        case "Relu":
            return Curve(lambda x: np.maximum(x, 0))
        case "Sigmoid":
            return Curve(expit)
        case "Tanh":
            return Curve(np.tanh)
        case "Clip":
            return _clip(graph, node)
        case "HardSigmoid":
            return Curve(_hard_sigmoid(*_slope(node)))
        case "HardSwish":
            return _times(_hard_sigmoid(1 / 6, 0.5), 1 / 6, 0.5)
        case _:
            return None


def _clip(graph: Graph, node: onnx.NodeProto) -> Curve | None:
    limits: list[Any] = []
    for position, name in ((1, "min"), (2, "max")):
        given = node.input[position] if len(node.input) > position else ""
        value = graph.value(given) if given else attribute(node, name)
        if given and value is None:
            return None
        limits.append(None if value is None else float(np.asarray(value, np.float64).item()))
    if limits == [None, None]:
        return Curve(lambda x: x)
    return Curve(lambda x: np.clip(x, limits[0], limits[1]))


def _gated(graph: Graph, node: onnx.NodeProto) -> Derived | None:
    """``x * Sigmoid(x)`` and ``x * HardSigmoid(x)``: SiLU and HardSwish as exporters spell them."""
    for source, gate in (tuple(node.input), tuple(reversed(node.input))):
        producer = graph.producers.get(gate)
        if producer is None or producer.input[:1] != [source]:
            continue
        if producer.op_type == "Sigmoid":
            return Derived(source, SILU)
        if producer.op_type == "HardSigmoid":
            slope = _slope(producer)
            return Derived(source, _times(_hard_sigmoid(*slope), *slope))
    return None


def _slope(node: onnx.NodeProto) -> tuple[float, float]:
    alpha, beta = attribute(node, "alpha"), attribute(node, "beta")
    return (
        alpha if isinstance(alpha, float) else 0.2,
        beta if isinstance(beta, float) else 0.5,
    )


def _hard_sigmoid(alpha: float, beta: float) -> Callable[[Array], Array]:
    return lambda x: np.clip(alpha * x + beta, 0, 1)


def _times(gate: Callable[[Array], Array], alpha: float, beta: float) -> Curve:
    """``x`` times a hard sigmoid: zero, falls from where it opens, rises from halfway to zero."""
    return Curve(lambda x: x * gate(x), (-beta / alpha, -beta / alpha / 2))


def map_range(curve: Curve, lowest: float, highest: float) -> tuple[float, float]:
    """The range of a curve's results, from that of its arguments."""
    inside = [turn for turn in curve.turns if lowest < turn < highest]
    results = curve.apply(np.array([lowest, *inside, highest]))
    return float(results.min()), float(results.max())


def map_histogram(curve: Curve, histogram: Histogram, lowest: float, highest: float) -> Histogram:
    """The histogram of a curve's results, from that of its arguments.

    A bin's values are taken to lie evenly between its borders, and spread over the bins that the
    curve maps these to.

    Args:
        curve: The function.
        histogram: Of its arguments.
        lowest: The least argument.
        highest: The largest argument.
    """
    low, high = map_range(curve, lowest, highest)
    extreme = max(-low, high) * (1 + 1e-3)
    if not histogram.reach or not extreme:
        return Histogram(histogram.reach, _all_zero(int(histogram.counts.sum())))
    reach = 2.0 ** int(np.frexp(extreme)[1])
    target = np.linspace(-reach, reach, BINS + 1)
    edges = np.clip(histogram.edges, lowest, highest)
    total = np.concatenate([[0.0], np.cumsum(histogram.counts, dtype=np.float64)])
    below = np.zeros(BINS + 1)
    borders = [lowest, *(turn for turn in curve.turns if lowest < turn < highest), highest]
    for start, end in pairwise(borders):
        inside = np.concatenate([[start], edges[(edges > start) & (edges < end)], [end]])
        results, counted = curve.apply(inside), np.interp(inside, edges, total)
        counted[0] = 0.0 if start == lowest else counted[0]
        counted[-1] = total[-1] if end == highest else counted[-1]
        if results[0] > results[-1]:
            results, counted = results[::-1], counted[-1] - counted[::-1]
        else:
            counted = counted - counted[0]
        below += np.interp(target, results, counted)
    counts: Counts = np.diff(np.rint(below)).astype(np.int64)
    return Histogram(reach, counts)


def _all_zero(values: int) -> Counts:
    counts = np.zeros(BINS, np.int64)
    counts[BINS // 2] = values
    return counts
