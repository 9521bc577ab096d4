"""Multiply-accumulates of one operator, from the shapes of its inputs and outputs.

One multiply-accumulate is one product added to a sum: half of what is often called FLOPs.
Operators other than convolutions, matrix products and recurrent layers count as nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from core.intake.graph import Shape, Step


class UnknownShapeError(Exception):
    """A shape that decides the number could not be inferred."""


def macs_of(step: Step) -> int | None:
    """Multiply-accumulates of one run of an operator; None where its shapes are not known."""
    rule = _RULES.get(step.op_type)
    if rule is None and step.op_type.endswith("Attention"):
        rule = _attention
    if rule is None or step.folded:
        return 0
    try:
        return rule(step)
    except (UnknownShapeError, IndexError):
        return None


def is_product(step: Step) -> bool:
    """Whether an operator is a matrix product."""
    return step.op_type in PRODUCTS


def operands(step: Step) -> tuple[int, int]:
    """Which inputs of a matrix product are multiplied."""
    return _OPERANDS.get(step.op_type, (0, 1))


def _known(shape: Shape | None) -> Shape:
    if shape is None or any(size <= 0 for size in shape):
        raise UnknownShapeError
    return shape


def _output(step: Step) -> Shape:
    return _known(step.outputs[0].shape)


def _convolution(step: Step, weight: int = 1) -> int:
    # Each output position and batch element applies the whole kernel (out, in / group, ...).
    out = _output(step)
    return out[0] * math.prod(out[2:]) * math.prod(_known(step.shape(weight)))


def _quantized_convolution(step: Step) -> int:
    return _convolution(step, weight=3)


def _transposed_convolution(step: Step) -> int:
    x = _known(step.shape(0))
    return x[0] * math.prod(x[2:]) * math.prod(_known(step.shape(1)))


def _matmul(step: Step) -> int:
    a = _known(step.shape(operands(step)[0]))
    inner = a[-2] if step.attribute("transA", 0) else a[-1]
    return math.prod(_output(step)) * inner


def _blockwise_matmul(step: Step) -> int:
    return math.prod(_output(step)) * step.attribute("K", 0)


def _recurrent(step: Step) -> int:
    # Input and recurrent weights are used once for each time step and batch element.
    x = _known(step.shape(0))
    return x[0] * x[1] * sum(math.prod(_known(step.shape(index))) for index in (1, 2))


def _einsum(step: Step) -> int:
    """Counts one product for each combination of all indices, as a naive contraction does."""
    equation = next((a.s.decode() for a in step.node.attribute if a.name == "equation"), "")
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    spread = 1
    for index, term in enumerate(terms):
        shape = _known(step.shape(index))
        before, _, after = term.partition("...")
        if "..." in term:
            hidden = len(shape) - len(before) - len(after)
            spread = max(spread, math.prod(shape[len(before) : len(before) + hidden]))
            shape = shape[: len(before)] + shape[len(before) + hidden :]
        for letter, size in zip(before + after, shape, strict=False):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return math.prod(sizes.values()) * spread if len(terms) > 1 else 0


def _attention(step: Step) -> int:
    """Scores and weighted sum, and the projection where the operator contains it.

    Approximate: masks, windows and cached keys are not looked at.
    """
    x = _known(step.shape(0))
    weight = step.input(1)
    if step.op_type in ("Attention", "QAttention") and weight is not None and weight.constant:
        batch, length, _ = x
        projection = _known(weight.shape)
        return batch * length * (math.prod(projection) + 2 * length * projection[1] // 3)
    key = step.shape(1)
    length = key[-2] if key and len(key) == len(x) else x[1]
    return 2 * math.prod(x) * length


_OPERANDS = {
    "QLinearMatMul": (0, 3),
    "QGemm": (0, 3),
}
PRODUCTS = frozenset(
    {
        "DynamicQuantizeMatMul",
        "Einsum",
        "FusedGemm",
        "FusedMatMul",
        "FusedMatMulActivation",
        "Gemm",
        "GemmFastGelu",
        "GemmFloat8",
        "MatMul",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "QGemm",
        "QLinearMatMul",
        "TransposeMatMul",
    }
)
CONVOLUTIONS = frozenset(
    {"Conv", "ConvInteger", "ConvTranspose", "DeformConv", "FusedConv", "QLinearConv"}
)
RECURRENT = frozenset({"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"})
_RULES: dict[str, Callable[[Step], int]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    **dict.fromkeys(PRODUCTS, _matmul),
    **dict.fromkeys(RECURRENT, _recurrent),
    "QLinearConv": _quantized_convolution,
    "ConvTranspose": _transposed_convolution,
    "MatMulNBits": _blockwise_matmul,
    "Einsum": _einsum,
}
