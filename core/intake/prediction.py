"""How large each method would make the file, from the weights that it really touches.

The operator types are those of the plain recipe for the family (a test holds them against
:mod:`core.quantization`), the inputs those of onnxruntime's quantizers, per channel. What the
graph itself gains is estimated from the names that the quantizers derive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onnx import TensorProto

from core.intake.graph import Graph, Step, Stored, Value
from core.records import Family, Method

# Inputs that are made 8 bits. Dynamic quantization turns a Gemm into a MatMul first.
_DYNAMIC_INPUTS = {
    "Attention": (1,),
    "Conv": (1,),
    "EmbedLayerNormalization": (2, 3, 4),
    "Gather": (0,),
    "Gemm": (1,),
    "LSTM": (1, 2),
    "MatMul": (1,),
}
_STORED_INPUTS = {
    "Attention": (1,),
    "Conv": (1,),
    "ConvTranspose": (1,),
    "GRU": (1, 2),
    "Gather": (0,),
    "Gemm": (1,),
    "LSTM": (1, 2),
    "MatMul": (0, 1),
    "RNN": (1, 2),
}
_STATIC_INPUTS = {
    "Add": (0, 1),
    "Concat": (0, 1, 2, 3),
    "Conv": (1,),
    "Gemm": (1,),
    "MatMul": (0, 1),
    "Mul": (0, 1),
}
_STATIC_LAYERS = frozenset({"Clip", "Conv", "Gemm", "MatMul", "Relu"})
_STATIC_EVERYWHERE = _STATIC_LAYERS | {
    *("Add", "AveragePool", "Concat", "Flatten", "GlobalAveragePool", "LeakyRelu", "MaxPool"),
    *("Mul", "Pad", "Reshape", "Resize", "Sigmoid", "Slice", "Split", "Squeeze", "Transpose"),
    "Unsqueeze",
}
_STATIC_EVERYWHERE_FAMILIES = ("cnn", "mlp")
_BIAS_INPUT = {"Conv": 2, "Gemm": 2}
# Static quantization merges these into the range of the operator before.
_MERGED = frozenset({"Clip", "Relu"})
# Their INT8 kernels hand over floats where nothing wants integers.
_FLOAT_RESULTS = frozenset({"Gemm", "MatMul"})


def predict_sizes(graph: Graph, size_bytes: int, family: Family) -> dict[Method, int]:
    """Predicts the file's size in bytes for each method.

    Args:
        graph: The flattened model.
        size_bytes: Of the model with its external data.
        family: Of the model; it decides which operators a recipe quantizes.
    """
    dynamic, static = _dynamic_weights(graph), _static_weights(graph, _static_types(family))
    stored = _weights(graph, _STORED_INPUTS)
    return {
        "float16": size_bytes - saved_by_float16(graph),
        "int8_dynamic": size_bytes - _saved(dynamic) + _dynamic_gain(dynamic),
        "int8_static": size_bytes - _saved(static) + _static_gain(graph, static, family),
        "int8_weight_only": size_bytes - _saved(stored) + _stored_gain(stored),
    }


def saved_by_float16(graph: Graph) -> int:
    """Bytes that FP16 saves: two of each four-byte float."""
    return sum(2 * one.elements for one in graph.stored if one.dtype == TensorProto.FLOAT)


def saved_by_int8(graph: Graph) -> int:
    """Bytes of weights that the better INT8 method saves."""
    return max(_saved(_dynamic_weights(graph)), _saved(_static_weights(graph, _STATIC_EVERYWHERE)))


def _static_types(family: Family) -> frozenset[str]:
    return _STATIC_EVERYWHERE if family in _STATIC_EVERYWHERE_FAMILIES else _STATIC_LAYERS


def _dynamic_weights(graph: Graph) -> list[tuple[Step, Value]]:
    found = _weights(graph, _DYNAMIC_INPUTS)
    # Convolutions are worth dynamic quantization only where they hold most of the weights.
    convolutions = [(step, value) for step, value in found if step.op_type == "Conv"]
    everything = sum(one.size_bytes for one in graph.stored if one.dtype == TensorProto.FLOAT)
    if sum(one.size_bytes for one in _touched(convolutions)) * 2 > everything:
        return found
    return [(step, value) for step, value in found if step.op_type != "Conv"]


def _weights(graph: Graph, inputs: Mapping[str, tuple[int, ...]]) -> list[tuple[Step, Value]]:
    return [
        (step, value)
        for step in graph.steps
        if not step.folded
        for index in inputs.get(step.op_type, ())
        if (value := step.input(index)) is not None and _is_weight(value)
    ]


def _static_weights(graph: Graph, types: frozenset[str]) -> list[tuple[Step, Value]]:
    inputs = {name: _STATIC_INPUTS[name] for name in types & _STATIC_INPUTS.keys()}
    return _weights(graph, inputs)


def _is_weight(value: Value) -> bool:
    return value.constant and any(one.dtype == TensorProto.FLOAT for one in value.stored)


def _touched(weights: Iterable[tuple[Step, Value]]) -> Iterable[Stored]:
    return {
        one.key: one
        for _, value in weights
        for one in value.stored
        if one.dtype == TensorProto.FLOAT
    }.values()


def _saved(weights: Iterable[tuple[Step, Value]]) -> int:
    return sum(one.size_bytes - one.elements for one in _touched(weights))


# --- what the graph gains. Fitted: each new node and tensor repeats the names of the values that
# it stands between, with a suffix; each channel has a scale and a zero point.


def _dynamic_gain(weights: list[tuple[Step, Value]]) -> int:
    gained = 0
    named: set[str] = set()
    for step, weight in weights:
        if weight.name not in named:
            named.add(weight.name)
            gained += 6 * len(weight.name) + 60 + 5 * _channels(step, weight)
        activation = step.input(0)
        if step.op_type == "Gather" or activation is None:
            continue
        gained += 3 * len(activation.name) + 6 * sum(len(one.name) for one in step.outputs)
        gained += 5 * len(step.node.name) + 260 - _notes(step)
        if activation.name not in named:
            named.add(activation.name)
            gained += 5 * len(activation.name) + 90
    return gained


def _stored_gain(weights: list[tuple[Step, Value]]) -> int:
    named = {value.name: (step, value) for step, value in weights}
    return sum(
        18 * len(name) + 220 + 4 * _channels(step, value) for name, (step, value) in named.items()
    )


def _static_gain(graph: Graph, weights: list[tuple[Step, Value]], family: Family) -> int:
    types = _static_types(family)
    quantized = {value.name: (step, value) for step, value in weights}
    gained = sum(
        9 * len(name) + 165 + 5 * _channels(step, value)
        for name, (step, value) in quantized.items()
    )
    biases: set[str] = set()
    activations: set[str] = set()
    for step in graph.steps:
        if step.op_type not in types or step.folded:
            continue
        bias = step.input(_BIAS_INPUT.get(step.op_type, len(step.inputs)))
        if bias is not None and _is_weight(bias):
            # As 32-bit integers, with a scale and a zero point: once for each use, since the
            # scale is that of the use.
            elements = sum(one.elements for one in bias.stored)
            gained += 9 * len(bias.name) + 180 + (12 if bias.name in biases else 8) * elements
            biases.add(bias.name)
        activations |= {value.name for value in _activations(step, types)}
    return gained + sum(13 * len(name) + 275 for name in activations)


def _activations(step: Step, types: frozenset[str]) -> Iterable[Value]:
    for value in (*step.inputs, *step.outputs):
        if value is None or value.constant or value.dtype != TensorProto.FLOAT:
            continue
        merged = value.users and all(user.op_type in _MERGED for user in value.users)
        wanted = any(user.op_type in types for user in value.users)
        if not merged and (wanted or step.op_type not in _FLOAT_RESULTS):
            yield value


def _notes(step: Step) -> int:
    """Bytes of what the exporter wrote about a node; a node that is replaced loses it."""
    metadata: int = sum(one.ByteSize() for one in step.node.metadata_props)
    return metadata + len(step.node.doc_string)


def _channels(step: Step, weight: Value) -> int:
    """Scales of a weight that is quantized per channel."""
    if weight.shape is None or len(weight.shape) == 1:
        return 1
    match step.op_type:
        case "Conv":
            return weight.shape[0]
        case "LSTM":
            return weight.shape[0] * weight.shape[1]
        case "Gemm" if step.attribute("transB", 0):
            return weight.shape[0]
        case "Gemm" | "MatMul" | "Attention":
            return weight.shape[-1]
    return 1
