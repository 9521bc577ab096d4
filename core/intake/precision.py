"""In which number format a model's weights already are."""

from __future__ import annotations

from collections import Counter

from onnx import TensorProto

from core.intake.graph import Graph, Step, walk_back
from core.intake.macs import CONVOLUTIONS, RECURRENT, is_product
from core.intake.tensors import NARROW_INTEGER_TYPES
from core.records import Precision

# A weight passes these on its way from the file to the operator that works with it.
_ON_THE_WAY = frozenset(
    {"Cast", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
)


def working_steps(graph: Graph) -> list[Step]:
    """The operators whose weights do the work: convolutions, products, recurrent layers."""
    return [
        step
        for step in graph.steps
        if not step.folded
        and (step.op_type in CONVOLUTIONS | RECURRENT or is_product(step) or _fused(step))
        and step.weights
    ]


def int8_share(graph: Graph) -> float:
    """The part of the working weights that is quantized, 0 to 1.

    Quantized are narrow integers, whatever operator reads them, and floats that pass a
    QuantizeLinear first (quantization-aware training).
    """
    quantized = total = 0
    for step in working_steps(graph):
        elements = sum(one.elements for one in step.weights)
        total += elements
        quantized += elements if _is_quantized(step) else 0
    return quantized / total if total else 0.0


def detect_precision(graph: Graph) -> Precision:
    """The format of most of the weights; float32 where it is none of the three."""
    if int8_share(graph) > 1 / 2:
        return "int8"
    return "float16" if weight_type(graph) == TensorProto.FLOAT16 else "float32"


def weight_type(graph: Graph) -> int:
    """The ONNX element type that most working weights have; UNDEFINED if there are none."""
    elements: Counter[int] = Counter()
    tensors = {one.key: one for step in working_steps(graph) for one in step.weights}
    for tensor in tensors.values():
        elements[tensor.dtype] += tensor.elements
    return max(elements, key=lambda dtype: elements[dtype]) if elements else TensorProto.UNDEFINED


def _fused(step: Step) -> bool:
    return step.op_type.endswith("Attention")


def _is_quantized(step: Step) -> bool:
    heaviest = max(step.weights, key=lambda one: one.elements)
    if heaviest.dtype in NARROW_INTEGER_TYPES:
        return True
    return _passes_quantizer(step)


def _passes_quantizer(step: Step) -> bool:
    values = [one for one in step.inputs if one and one.constant]
    return any(
        origin.producer is not None and origin.producer.op_type == "DequantizeLinear"
        for value in values
        for origin in walk_back(value, _ON_THE_WAY)
    )
