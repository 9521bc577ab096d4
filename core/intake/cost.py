"""Where a model's parameters, bytes and work are."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import onnx

from core.intake.flatten import flatten
from core.intake.graph import Graph, Stored
from core.intake.macs import macs_of
from core.intake.shapes import input_values
from core.intake.tensors import FLOAT_TYPES, NARROW_INTEGER_TYPES
from core.records import OperatorShare


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The work of each step of a graph, for one sample."""

    graph: Graph
    macs: tuple[int, ...]
    """Of each step, in the graph's order; 0 where not known or in the lighter branch of an If."""
    unknown: int
    """How many operators do work that could not be counted."""

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return sum(self.macs)


def count_unknown(model: onnx.ModelProto) -> int:
    """How many operators do work that the shapes in a model are not enough to count."""
    return sum(macs_of(step) is None for step in flatten(model).steps)


def count_cost(model: onnx.ModelProto) -> Cost:
    """Counts the work of a model after shape inference.

    A model with a fixed batch does the work of several samples; theirs is shared out.
    """
    graph = flatten(model)
    once = [macs_of(step) for step in graph.steps]
    macs = [(one or 0) * step.repeats for one, step in zip(once, graph.steps, strict=True)]
    _drop_lighter_branches(graph, macs)
    batch = fixed_batch(model.graph)
    return Cost(
        graph=graph,
        macs=tuple(one // batch for one in macs),
        unknown=sum(one is None for one in once),
    )


def fixed_batch(graph: onnx.GraphProto) -> int:
    """The first dimension that all inputs and outputs share, as far as it is fixed; else 1."""
    firsts = {
        value.type.tensor_type.shape.dim[0].dim_value
        for value in (*input_values(graph), *graph.output)
        if value.type.tensor_type.shape.dim
    }
    return max(firsts.pop(), 1) if len(firsts) == 1 else 1


def count_parameters(graph: Graph) -> int:
    """Numbers that training set: floating-point values, and the narrow integers they became.

    Single values are left out: they are constants of formulas.
    """
    kinds = FLOAT_TYPES | NARROW_INTEGER_TYPES
    return sum(one.elements for one in graph.stored if one.dtype in kinds and one.elements > 1)


def operator_shares(cost: Cost) -> tuple[OperatorShare, ...]:
    """What each operator type holds, the most work first, then the most bytes.

    A tensor that several operators share counts for the one that does most work with it.
    """
    owners: dict[int, tuple[int, str, Stored]] = {}
    nodes: defaultdict[str, int] = defaultdict(int)
    work: defaultdict[str, int] = defaultdict(int)
    for step, macs in zip(cost.graph.steps, cost.macs, strict=True):
        nodes[step.op_type] += 1
        work[step.op_type] += macs
        claim = -1 if step.folded else macs
        for tensor in step.weights:
            if tensor.key not in owners or claim > owners[tensor.key][0]:
                owners[tensor.key] = (claim, step.op_type, tensor)
    weights: defaultdict[str, int] = defaultdict(int)
    for _, op_type, tensor in owners.values():
        weights[op_type] += tensor.size_bytes
    shares = (
        OperatorShare(op_type=op, nodes=nodes[op], weight_bytes=weights[op], macs=work[op])
        for op in nodes
    )
    return tuple(sorted(shares, key=lambda one: (-one.macs, -one.weight_bytes, one.op_type)))


def _drop_lighter_branches(graph: Graph, macs: list[int]) -> None:
    """Only one branch of an If runs; the heavier one is counted."""
    depth = max((len(step.branches) for step in graph.steps), default=0)
    for level in reversed(range(depth)):
        work: defaultdict[int, Counter[int]] = defaultdict(Counter)
        inside = [
            (i, step.branches[level])
            for i, step in enumerate(graph.steps)
            if len(step.branches) > level
        ]
        for index, (choice, branch) in inside:
            work[choice][branch] += macs[index]
        heaviest = {choice: branches.most_common(1)[0][0] for choice, branches in work.items()}
        for index, (choice, branch) in inside:
            if branch != heaviest[choice]:
                macs[index] = 0
