"""Makes the FP32 graph that every recipe starts from: folded, typed, named.

The result computes what the user's file computes, and is the same each time: recipes name
nodes of it. The file itself is never touched.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import shape_inference, version_converter
from onnxruntime.quantization.shape_inference import quant_pre_process

from core.quantization.failures import GRAPH_FAILURES
from core.quantization.graph import Graph, attribute, drop_unread_constants, every_node
from core.records import BadInput

LARGEST_BYTES = 2_000_000_000
"""Protocol buffers end at 2 GiB, and the graph is one message while it is rewritten."""
PER_CHANNEL_OPSET = 13
"""``QuantizeLinear`` and ``DequantizeLinear`` have an axis since then."""
_FROZEN_IR = 4
_GROWTH = 1.1

_LADDER: tuple[dict[str, bool], ...] = (
    {"auto_merge": True},
    {"skip_symbolic_shape": True},
    {"skip_symbolic_shape": True, "skip_optimization": True},
)
"""From all that onnxruntime's preparation can do to less; it refuses many real models."""


def preprocess(path: Path) -> onnx.ModelProto:
    """Prepares a model for every method.

    Args:
        path: The ``.onnx`` file; external data beside it is read too.

    Returns:
        The model with constants folded, batch norms in their convolutions, shapes inferred,
        spatial means as ``GlobalAveragePool``, opset 13 or later where it can be raised, and a
        unique name on each node. Inputs, outputs and symbolic sizes are as they were.

    Raises:
        BadInput: The model is too large to be rewritten.
    """
    model = _load(path)
    _freeze_initializers(model)
    model = _raise_opset(model)
    name_nodes(model)
    model = _infer_and_fold(model)
    _pool_by_name(model)
    name_nodes(model)
    _drop_clutter(model)
    return model


def name_nodes(model: onnx.ModelProto) -> None:
    """Gives each unnamed or namesake node the name of what it computes."""
    seen: set[str] = set()
    for position, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            output = next((name for name in node.output if name), "")
            node.name = f"{node.op_type}:{output}"
            if node.name in seen:
                node.name += f":{position}"
        seen.add(node.name)


def opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators in a model."""
    return max(
        (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        default=0,
    )


def _load(path: Path) -> onnx.ModelProto:
    model = onnx.load(path, load_external_data=False)
    files = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    total = path.stat().st_size + sum((path.parent / name).stat().st_size for name in files)
    if total > LARGEST_BYTES:
        message = (
            f"The model is {total / 1e9:.1f} GB; files above 2 GB cannot be quantized here, so "
            "use a smaller variant of it."
        )
        raise BadInput(message)
    return onnx.load(path) if files else model


def _freeze_initializers(model: onnx.ModelProto) -> None:
    """Old exporters list weights among the inputs, and what may be fed is never folded."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, _FROZEN_IR)


def _raise_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    if opset(model) >= PER_CHANNEL_OPSET:
        return model
    with contextlib.suppress(*GRAPH_FAILURES):
        return version_converter.convert_version(model, PER_CHANNEL_OPSET)
    return model


def _infer_and_fold(model: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "model.onnx", Path(folder) / "prepared.onnx"
        onnx.save(model, source)
        limit = source.stat().st_size * _GROWTH + 100_000
        for options in _LADDER:
            target.unlink(missing_ok=True)
            # Its symbolic shape inference raises plain Exception where it does not know a shape.
            with contextlib.suppress(Exception):
                quant_pre_process(source, target, **options)
            # Folding may write out what the graph computed from almost nothing.
            if target.exists() and target.stat().st_size <= limit:
                return onnx.load(target)
    with contextlib.suppress(*GRAPH_FAILURES):
        return shape_inference.infer_shapes(model)
    return model


def _pool_by_name(model: onnx.ModelProto) -> None:
    """Says ``GlobalAveragePool`` where the exporter wrote ``ReduceMean`` over height and width.

    They compute the same, but only the former has an INT8 kernel: on EfficientNetV2-S the
    difference is 10% of the quantized model's time.
    """
    graph = Graph(model)
    for node in graph.nodes:
        if not is_spatial_mean(graph, node):
            continue
        node.op_type = "GlobalAveragePool"
        keeps_axes = attribute(node, "keepdims") in (None, 1)
        del node.input[1:]
        del node.attribute[:]
        if not keeps_axes:
            flat = node.output[0]
            node.output[0] = f"{flat}_pooled"
            model.graph.node.insert(
                list(model.graph.node).index(node) + 1,
                onnx.helper.make_node("Flatten", [node.output[0]], [flat], axis=1),
            )
    drop_unread_constants(model)


def is_spatial_mean(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a node is the mean over height and width of a ``(batch, channels, h, w)`` tensor."""
    if node.op_type != "ReduceMean" or graph.rank(node.input[0]) != 4:
        return False
    axes = attribute(node, "axes")
    if axes is None and len(node.input) > 1:
        values = graph.value(node.input[1])
        axes = None if values is None else values.tolist()
    return isinstance(axes, list) and sorted(int(axis) % 4 for axis in axes) == [2, 3]


def _drop_clutter(model: onnx.ModelProto) -> None:
    """Removes the exporter's notes on each node, and domains that no node comes from.

    PyTorch leaves kilobytes of stack traces on a node, with the paths of whoever exported it;
    onnxruntime declares all its domains in whatever it writes.
    """
    used = {"", "ai.onnx"}
    for node in every_node(model.graph):
        used.add(node.domain)
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps quiet: onnxruntime logs a traceback for each rung of the ladder that breaks."""
    logger = logging.getLogger("onnxruntime.quantization.shape_inference")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
