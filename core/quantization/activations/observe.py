"""Watches the values of an FP32 model's tensors on calibration samples, in a streamed pass.

What is kept of a tensor is its least and largest value and, where asked for, a histogram: the same
memory for ten samples as for ten thousand. All tensors are watched that any static recipe could
quantize, and the result is stored, so that the recipes of a model share one pass.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from core.quantization.activations.derived import Derived, derived_tensors, map_histogram, map_range
from core.quantization.activations.histogram import Histogram
from core.quantization.activations.masks import MASKED, mask_tensors
from core.quantization.activations.taps import Tap, TappedModel, available_threads
from core.quantization.calibration import CalibrationSamples
from core.quantization.graph import Graph

_QUANTIZABLE = frozenset(chain(QDQRegistry, QLinearOpsRegistry))
# No activation is that large, but a stand-in for infinity is.
_LARGEST = 1e30
_STREAMS = 2
"""Samples that are run at the same time, each with half of the threads: while the values of one are
looked at, the other is computed. A number of its own, for counts must not depend on the machine."""
MOST_VALUES = 250_000_000
"""1 GB; a run of EfficientNetV2-S at 384 pixels has a fifth of it."""
_FORMAT = 2
_AHEAD = 2 * _STREAMS
"""Runs that wait or are under way; a failed one ends the pass at the latest after these."""


@dataclass(slots=True)
class Activation:
    """What is known of a tensor's values.

    Attributes:
        lowest: The least; infinity where no value was seen.
        highest: The largest; minus infinity where no value was seen.
        masked: Whether an attention mask's values were left out.
        histogram: None where only the range was asked for.
    """

    lowest: float = np.inf
    highest: float = -np.inf
    masked: bool = False
    histogram: Histogram | None = None

    def merge(self, other: Activation) -> None:
        """Takes in what another stream of samples has seen."""
        self.lowest, self.highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        self.masked |= other.masked
        if self.histogram is not None and other.histogram is not None:
            self.histogram.merge(other.histogram)

    def add(self, values: NDArray[np.float32], may_be_masked: bool) -> None:
        """Takes in a one-dimensional array; infinite and undefined values count for nothing."""
        if may_be_masked:
            real = values[values > MASKED]
            self.masked |= real.size < values.size
            values = real
        if values.size == 0:
            return
        lowest, highest = _extremes(values)
        if not (lowest > -_LARGEST and highest < _LARGEST):
            values = values[np.abs(values) < _LARGEST]
            if values.size == 0:
                return
            lowest, highest = _extremes(values)
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if self.histogram is not None:
            self.histogram.add(values, lowest, highest)


def observe(
    model: Path,
    samples: CalibrationSamples,
    folder: Path,
    *,
    histograms: bool,
    most_values: int = MOST_VALUES,
) -> dict[str, Activation]:
    """Watches all float tensors that a static recipe could quantize.

    Args:
        model: Prepared FP32 ``.onnx`` file.
        samples: Read only where the folder does not know them with this model.
        folder: Of earlier observations; receives this one. One with histograms serves both.
        histograms: Whether they are needed: they make the pass about 40% longer.
        most_values: Of one run, kept at a time; a model with more is run again for the rest.

    Returns:
        What is known of each tensor, by name.
    """
    graph = Graph(_typed(model))
    sizes = _float_tensors(graph)
    derived = derived_tensors(graph, sizes)
    watched = sorted(set(sizes) - set(derived))
    stored = folder / f"{_key(model, samples)}.npz"
    seen = _load(stored)
    if seen is None or (histograms and any(a.histogram is None for a in seen.values())):
        streams = [
            {name: Activation(histogram=Histogram() if histograms else None) for name in watched}
            for _ in range(_STREAMS)
        ]
        _watch(graph, _parts(watched, sizes, most_values // _STREAMS), samples, streams)
        seen, *others = streams
        for other in others:
            for name, activation in other.items():
                seen[name].merge(activation)
        _store(stored, seen)
    return _with_derived(seen, derived)


def _typed(path: Path) -> onnx.ModelProto:
    """Loads a model with the types of its tensors, inferring them where a rewrite lost one."""
    model = onnx.load(path)
    typed = {value.name for value in chain(model.graph.output, model.graph.value_info)}
    if all(name in typed for node in model.graph.node for name in node.output if name):
        return model
    inferred: onnx.ModelProto = load_model_with_shape_infer(path)
    return inferred


def _float_tensors(graph: Graph) -> dict[str, int]:
    """Computed float tensors of quantizable nodes, with the values a sample has of them."""
    touched = {
        name
        for node in graph.nodes
        if node.op_type in _QUANTIZABLE
        for name in chain(node.input, node.output)
    }
    sizes = {}
    parts = graph.model.graph
    for value in chain(parts.input, parts.output, parts.value_info):
        kind = value.type.tensor_type
        if value.name not in touched or value.name in graph.constants:
            continue
        if kind.elem_type == TensorProto.FLOAT:
            known = [size.dim_value for size in kind.shape.dim if size.dim_value > 0]
            sizes[value.name] = int(np.prod(known, dtype=np.int64))
    return sizes


def _watch(
    graph: Graph,
    parts: Iterable[Collection[str]],
    samples: CalibrationSamples,
    streams: Sequence[Mapping[str, Activation]],
) -> None:
    """Runs the samples through the streams in turn, and lets each take in what it has seen."""
    masks = mask_tensors(graph)
    given = {value.name for value in graph.model.graph.input}
    threads = max(available_threads() // _STREAMS, 1)
    # Two threads in NumPy hand the interpreter's lock over at each of its thousands of short calls,
    # which takes longer than the calls.
    turn_to_look = threading.Lock()

    def take_in(
        tap: Tap | None, feeds: Mapping[str, NDArray[Any]], seen: Mapping[str, Activation]
    ) -> None:
        values = tap.run(feeds) if tap else {}
        values |= {name: feeds[name].reshape(-1) for name in names if name in given}
        with turn_to_look:
            for name, found in values.items():
                seen[name].add(found, name in masks)

    for names in parts:
        inner = [name for name in names if name not in given]
        samples.rewind()
        with tempfile.TemporaryDirectory() as folder:
            tapped = TappedModel(graph.model, inner, Path(folder), threads) if inner else None
        taps = [tapped.tap() if tapped else None for _ in streams]
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(ThreadPoolExecutor(1)) for _ in streams]
            running: deque[Future[None]] = deque()
            for number, feeds in enumerate(samples):
                if len(running) >= _AHEAD:
                    running.popleft().result()
                stream = number % _STREAMS
                task = workers[stream].submit(take_in, taps[stream], feeds, streams[stream])
                running.append(task)
            for task in running:
                task.result()


def _parts(names: Iterable[str], sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """Parts the tensors so that the values of one run fit in memory; mostly there is one part."""
    parts: list[list[str]] = []
    free = 0
    for name in names:
        if sizes[name] > free or not parts:
            parts.append([])
            free = most
        parts[-1].append(name)
        free -= sizes[name]
    return parts


def _extremes(values: NDArray[np.float32]) -> tuple[float, float]:
    """Least and largest value; NaN where one is NaN."""
    return float(np.minimum.reduce(values)), float(np.maximum.reduce(values))


def _with_derived(
    seen: Mapping[str, Activation], derived: Mapping[str, Derived]
) -> dict[str, Activation]:
    every = dict(seen)
    for name, follows in derived.items():
        known, curve = every[follows.source], follows.curve
        if curve is None or known.lowest > known.highest:
            every[name] = known
            continue
        lowest, highest = map_range(curve, known.lowest, known.highest)
        mapped = None
        if known.histogram is not None:
            mapped = map_histogram(curve, known.histogram, known.lowest, known.highest)
        every[name] = Activation(lowest, highest, known.masked, mapped)
    return every


def _key(model: Path, samples: CalibrationSamples) -> str:
    """Names all that an observation depends on."""
    settings = f"{_FORMAT} {samples.identity}".encode()
    return hashlib.sha256(model.read_bytes() + settings).hexdigest()


def _store(path: Path, seen: Mapping[str, Activation]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ranges = [(a.lowest, a.highest, a.masked) for a in seen.values()]
    columns = {"names": np.array(list(seen), np.str_), "ranges": np.array(ranges).reshape(-1, 3)}
    histograms = [a.histogram for a in seen.values() if a.histogram is not None]
    if histograms:
        columns["reach"] = np.array([histogram.reach for histogram in histograms])
        columns["counts"] = np.stack([histogram.counts for histogram in histograms])
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **columns)
    temporary.replace(path)


def _load(path: Path) -> dict[str, Activation] | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as columns:
        names = columns["names"].tolist()
        seen = {
            name: Activation(float(lowest), float(highest), bool(masked))
            for name, (lowest, highest, masked) in zip(names, columns["ranges"], strict=True)
        }
        if "counts" in columns:
            parts = zip(names, columns["reach"], columns["counts"], strict=True)
            for name, reach, counts in parts:
                seen[name].histogram = Histogram(float(reach), counts)
    return seen
