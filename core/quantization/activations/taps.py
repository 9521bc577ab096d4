"""Runs an FP32 model with many of its inner tensors in reach, at nearly the cost of a plain run.

Three things make that cheap. Graph optimisations stay on. Results land in arrays that are made
once: fresh memory for each run costs as much as the run. And where onnxruntime computes a
convolution in its blocked layout, the tensor is read in that layout (the same values in another
order) instead of being put back in order first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from core.quantization.failures import GRAPH_FAILURES
from core.quantization.graph import attribute
from core.sandbox.session import PROVIDER

_FATAL = 4
_UNBLOCK = "ReorderOutput"
# The blocked layout pads channels with zeros up to a multiple of 8 or 16, which would be counted.
_LARGEST_BLOCK = 16


def available_threads() -> int:
    """How many threads can run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows tell only how many there are


class TappedModel:
    """A session that hands out the values of inner tensors, to several threads at once.

    Args:
        model: FP32 model; not changed.
        tensors: Names of the float tensors to hand out.
        folder: For intermediate files.
        threads: Of the session.
    """

    def __init__(
        self, model: onnx.ModelProto, tensors: Collection[str], folder: Path, threads: int
    ) -> None:
        tapped = onnx.ModelProto()
        tapped.CopyFrom(model)
        self._names = {name: name for name in tensors}
        _set_outputs(tapped, self._names.values())
        source = folder / "tapped.onnx"
        onnx.save(tapped, source)
        del tapped
        self._session, self._names = _open(source, self._names, threads)

    def tap(self) -> Tap:
        """Something to run the model with, for one thread; all share the weights."""
        return Tap(self._session, self._names)


class Tap:
    """Runs a tapped model into arrays of its own.

    Args:
        session: That hands out the tensors.
        names: The output that carries each tensor's values.
    """

    def __init__(self, session: onnxruntime.InferenceSession, names: Mapping[str, str]) -> None:
        self._session = session
        self._names = names
        self._values: dict[str, NDArray[np.float32]] = {}
        self._binding = session.io_binding()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Runs the model once.

        Returns:
            The values of each tensor in no particular order, one-dimensional; valid until the
            next run.
        """
        if self._values and self._run_again(feeds):
            return dict(self._values)
        answers = self._session.run(list(self._names.values()), dict(feeds))
        results = dict(zip(self._names, map(np.ascontiguousarray, answers), strict=True))
        values = {name: result.reshape(-1) for name, result in results.items()}
        if not self._values:
            self._bind(results)
            self._values = values
        return values

    def _run_again(self, feeds: Mapping[str, NDArray[Any]]) -> bool:
        """Runs into the arrays of the first run; False where a shape depends on the values."""
        for name, values in feeds.items():
            self._binding.bind_cpu_input(name, values)
        try:
            self._session.run_with_iobinding(self._binding)
        except GRAPH_FAILURES:
            return False
        return True

    def _bind(self, results: Mapping[str, NDArray[np.float32]]) -> None:
        for name, values in results.items():
            self._binding.bind_output(
                self._names[name], "cpu", 0, np.float32, values.shape, values.ctypes.data
            )


def _open(
    source: Path, names: dict[str, str], threads: int
) -> tuple[onnxruntime.InferenceSession, dict[str, str]]:
    """Opens a model whose outputs are tapped, with the outputs to read their values from."""
    optimized = source.with_name("optimized.onnx")
    with contextlib.suppress(*GRAPH_FAILURES):  # not every optimised model can be written out
        _session(source, threads, optimized_to=optimized)
        model = onnx.load(optimized)
        blocked = _read_blocked(model, names)
        onnx.save(model, optimized)
        return _session(optimized, threads, optimize=False), blocked
    return _session(source, threads), names


def _session(
    path: Path, threads: int, *, optimize: bool = True, optimized_to: Path | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The threads that look at the results need the cores between two runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if optimized_to is not None:
        options.optimized_model_filepath = str(optimized_to)
        options.add_session_config_entry("session.disable_prepacking", "1")  # it is never run
    return onnxruntime.InferenceSession(path, options, providers=[PROVIDER])


def _set_outputs(model: onnx.ModelProto, names: Iterable[str]) -> None:
    values = [onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    del model.graph.output[:]
    model.graph.output.extend(values)


def _read_blocked(model: onnx.ModelProto, names: Mapping[str, str]) -> dict[str, str]:
    """Makes the blocked form of a tensor the output, where there is one without padding.

    Args:
        model: As onnxruntime optimised it; changed.
        names: The output that carries each tensor's values.

    Returns:
        The output that now does.
    """
    outputs = dict(names)
    read = {name for node in model.graph.node for name in node.input}
    kept = []
    for node in model.graph.node:
        tensor = node.output[0] if node.op_type == _UNBLOCK else ""
        if tensor in names and _is_unpadded(node) and node.input[0] not in outputs.values():
            outputs[tensor] = node.input[0]
            if tensor not in read:
                continue
        kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    _set_outputs(model, outputs.values())
    return outputs


def _is_unpadded(node: onnx.NodeProto) -> bool:
    channels = attribute(node, "channels")
    return isinstance(channels, int) and channels > 0 and channels % _LARGEST_BLOCK == 0
