"""Which family a model belongs to, by where its work is.

Convolutions, recurrent layers and attention each mix information across positions: they are
the *mixers* that give a network its kind. Linear layers do most of the work of a transformer,
of ConvNeXt and of a language model's LSTM alike, so their work counts for the mixer they
serve. The family is the kind with the most work. A softmax head, a squeeze-and-excite block or
an attention pooling does not change it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from core.intake.cost import Cost
from core.intake.graph import Step, walk_back
from core.intake.macs import CONVOLUTIONS, RECURRENT, is_product, operands
from core.records import Family

_Kind = Literal["attention", "recurrent", "convolution", "linear"]
_FAMILIES: dict[_Kind, Family] = {
    "attention": "transformer",
    "recurrent": "rnn",
    "convolution": "cnn",
    "linear": "mlp",
}
_MIXERS: tuple[_Kind, ...] = ("attention", "recurrent", "convolution")
# Attention in every fifth mixer is how the network is built; less is an extra.
_LEAST_SHARE_OF_MIXERS = 1 / 5
# Attention does 0.3% to 5% of the work of the linear layers it serves. Below this, the linear
# layers do not serve it.
_LEAST_SHARE_OF_WORK = 1 / 1000
# Fewer steps than this are layers that happen to share weights.
_LEAST_UNROLLED = 4
_GATES = frozenset({"Sigmoid", "Tanh", "HardSigmoid"})
# Between the two products of attention: the softmax, scaling, masking, and changes of form.
_BETWEEN_PRODUCTS = frozenset(
    {
        "Add",
        "BiasSoftmax",
        "Cast",
        "Clip",
        "Concat",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "Exp",
        "Expand",
        "Identity",
        "Max",
        "Min",
        "Mul",
        "QLinearAdd",
        "QLinearMul",
        "QLinearSoftmax",
        "QuantizeLinear",
        "Reshape",
        "Slice",
        "Softmax",
        "Squeeze",
        "Sub",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    }
)


def detect_family(cost: Cost) -> Family:
    """Decides the family from multiply-accumulates, or from weights where those are unknown."""
    steps = [step for step in cost.graph.steps if not step.folded]
    trees = [step for step in steps if step.op_type.startswith("TreeEnsemble")]
    if trees and _weight_bytes(trees) * 2 > _weight_bytes(steps):
        return "tree_ensemble"
    by_macs = cost.unknown == 0 and cost.total_macs > 0
    work: Counter[_Kind] = Counter()
    mixers: Counter[_Kind] = Counter()
    attention = _attention_products(steps)
    cells = _hand_written_cells(steps) | _unrolled_cells(steps)
    for step, macs in zip(cost.graph.steps, cost.macs, strict=True):
        kind = None if step.folded else _kind(step, attention, cells)
        if kind is None:
            continue
        work[kind] += macs if by_macs else sum(one.elements for one in step.weights)
        mixers[kind] += _half_mixers(step, kind)
    if not work:
        return "other"
    served = _served_by_linear_layers(work, mixers, by_macs=by_macs)
    if served != "linear":
        work[served] += work.pop("linear", 0)
    return _FAMILIES[max(work, key=lambda kind: work[kind])]


def _kind(step: Step, attention: set[Step], cells: set[Step]) -> _Kind | None:
    if step.op_type in CONVOLUTIONS:
        return "convolution"
    if step.op_type in RECURRENT:
        return "recurrent"
    if step in attention:
        return "attention"
    if _is_linear(step):
        return "recurrent" if step in cells else "linear"
    return None


def _served_by_linear_layers(
    work: Counter[_Kind], mixers: Counter[_Kind], *, by_macs: bool
) -> _Kind:
    total = sum(mixers[kind] for kind in _MIXERS)
    for kind in _MIXERS:
        often = mixers[kind] > 0 and mixers[kind] >= total * _LEAST_SHARE_OF_MIXERS
        if often and (not by_macs or work[kind] >= work["linear"] * _LEAST_SHARE_OF_WORK):
            return kind
    return "linear"


def _attention_products(steps: Sequence[Step]) -> set[Step]:
    """Fused attention, and both products of every product, softmax, product.

    Linear attention leaves out the softmax, so it is not asked for.
    """
    found = {step for step in steps if step.op_type.endswith("Attention")}
    for step in steps:
        if not (is_product(step) and _multiplies_activations(step)):
            continue
        for index in operands(step):
            value = step.input(index)
            for origin in walk_back(value, _BETWEEN_PRODUCTS) if value else ():
                first = origin.producer
                if first and is_product(first) and _multiplies_activations(first):
                    found |= {first, step}
    return found


def _multiplies_activations(step: Step) -> bool:
    values = [step.input(index) for index in operands(step)]
    return step.op_type != "MatMulNBits" and not any(one is None or one.constant for one in values)


def _half_mixers(step: Step, kind: _Kind) -> int:
    """Halves, because attention that is not fused is two products."""
    if kind == "attention" and is_product(step):
        return 1
    return 0 if kind == "convolution" and not _overlaps(step) else 2


def _overlaps(convolution: Step) -> bool:
    """Whether the kernel's windows overlap; else it is a linear layer, as in a ViT's patches."""
    weight = convolution.shape(3 if convolution.op_type == "QLinearConv" else 1)
    kernel = weight[2:] if weight else convolution.attribute_ints("kernel_shape")
    strides = convolution.attribute_ints("strides") or (1,) * len(kernel)
    return any(size > stride for size, stride in zip(kernel, strides, strict=False))


def _hand_written_cells(steps: Sequence[Step]) -> set[Step]:
    """Linear layers of recurrent cells without a name: gated, in the body of a Loop or Scan."""
    gated = {step.graph for step in steps if step.in_loop and step.op_type in _GATES}
    return {step for step in steps if step.graph in gated and _is_linear(step)}


def _unrolled_cells(steps: Sequence[Step]) -> set[Step]:
    """Linear layers that an exporter repeated, gates and all, for each step of a sequence."""
    gates = Counter(step.op_type for step in steps)
    repeated = min(gates["Sigmoid"], gates["Tanh"])
    uses: defaultdict[int, list[Step]] = defaultdict(list)
    for step in filter(_is_linear, steps):
        for tensor in step.weights:
            uses[tensor.key].append(step)
    return {
        step
        for sharing in uses.values()
        if _LEAST_UNROLLED <= len(sharing) <= repeated
        for step in sharing
    }


def _is_linear(step: Step) -> bool:
    return is_product(step) and not _multiplies_activations(step)


def _weight_bytes(steps: Sequence[Step]) -> int:
    return sum({one.key: one.size_bytes for step in steps for one in step.weights}.values())
