"""Output shapes of com.microsoft's operators, which onnx's inference does not know.

Only those that onnxruntime's optimisers put into FP32 models
(https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

Shape = tuple[int, ...]
DOMAIN = "com.microsoft"
_LIKE_FIRST_INPUT = frozenset(
    {
        "BiasGelu",
        "BiasSoftmax",
        "FastGelu",
        "Gelu",
        "GroupQueryAttention",
        "MultiHeadAttention",
        "QuickGelu",
        "RotaryEmbedding",
        "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
    }
)
_ACTIVATED = {"FusedConv": ("Conv", 3), "FusedGemm": ("Gemm", 3)}


def without_activation(node: onnx.NodeProto) -> onnx.NodeProto | None:
    """The standard operator that an activation was fused into; None for other operators."""
    if node.domain != DOMAIN or node.op_type not in _ACTIVATED:
        return None
    op_type, inputs = _ACTIVATED[node.op_type]
    plain = onnx.NodeProto(op_type=op_type, input=node.input[:inputs], output=node.output)
    plain.attribute.extend(one for one in node.attribute if not one.name.startswith("activation"))
    return plain


def output_shape(node: onnx.NodeProto, inputs: Sequence[Shape | None]) -> Shape | None:
    """The shape of a com.microsoft operator's first output, None where this cannot tell.

    Args:
        node: The operator.
        inputs: Shapes of its inputs; None where one is unknown or left out.

    Raises:
        LookupError: An input has too few dimensions.
        ValueError: Shapes do not fit together.
    """
    first = inputs[0] if inputs else None
    second = inputs[1] if len(inputs) > 1 else None
    if first is None or node.domain != DOMAIN:
        return None
    numbers = {one.name: one.i for one in node.attribute}
    if node.op_type in _LIKE_FIRST_INPUT:
        return first
    if node.op_type == "MatMulNBits":
        return *first[:-1], numbers["N"]
    if second is None:
        return None
    if node.op_type == "Attention":
        return *first[:-1], second[-1] // 3
    if node.op_type == "EmbedLayerNormalization" and len(inputs) > 2 and inputs[2]:
        return *first, inputs[2][-1]
    if node.op_type == "FusedMatMul":
        rows = first[-1] if numbers.get("transA") else first[-2]
        columns = second[-2] if numbers.get("transB") else second[-1]
        return *np.broadcast_shapes(first[:-2], second[:-2]), rows, columns
    return None
