"""Walks a model with its subgraphs and lists what runs (:mod:`core.intake.graph`)."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from itertools import count

import onnx
from onnx import TensorProto, numpy_helper

from core.intake.graph import Graph, Shape, Step, Stored, Value
from core.intake.tensors import (
    FLOAT_TYPES,
    NARROW_INTEGER_TYPES,
    elements_of,
    stored_bytes,
    subgraphs_of,
)

_RANDOM = frozenset({"Bernoulli", "Multinomial", "RandomNormalLike", "RandomUniformLike"})
_LOOPS = frozenset({"Loop", "Scan"})


def flatten(model: onnx.ModelProto) -> Graph:
    """Lists what a model runs.

    Args:
        model: After inlining and shape inference; tensors need no values.
    """
    walk = _Walk()
    walk.graph(model.graph, {}, 1, (), in_loop=False)
    return Graph(tuple(walk.steps), tuple(walk.stored))


class _Walk:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.stored: list[Stored] = []
        self._graphs = count()
        self._choices = count()

    def graph(
        self,
        graph: onnx.GraphProto,
        outer: MutableMapping[str, Value],
        repeats: int,
        branches: tuple[tuple[int, int], ...],
        *,
        in_loop: bool,
    ) -> None:
        number = next(self._graphs)
        types = {info.name: info.type for info in (*graph.input, *graph.output, *graph.value_info)}
        scope: MutableMapping[str, Value] = ChainMap({}, outer)
        for info in graph.input:
            scope[info.name] = _typed(info.name, info.type)
        for tensor in graph.initializer:
            scope[tensor.name] = self._constant(tensor.name, tensor)
        for sparse in graph.sparse_initializer:
            scope[sparse.values.name] = self._sparse(sparse.values.name, sparse)
        for node in graph.node:
            self._node(node, scope, types, number, repeats, branches, in_loop=in_loop)

    def _node(
        self,
        node: onnx.NodeProto,
        scope: MutableMapping[str, Value],
        types: dict[str, onnx.TypeProto],
        number: int,
        repeats: int,
        branches: tuple[tuple[int, int], ...],
        *,
        in_loop: bool,
    ) -> None:
        if node.op_type == "Constant" and node.output:
            scope[node.output[0]] = self._constant_node(node, types)
            return
        inputs = tuple(scope.get(name) if name else None for name in node.input)
        present = [value for value in inputs if value]
        folded = (
            bool(present)
            and all(value.constant for value in present)
            and node.op_type not in _RANDOM
            and not any(subgraphs_of(node))
        )
        outputs = tuple(_typed(name, types.get(name)) for name in node.output)
        step = Step(
            node=node,
            inputs=inputs,
            outputs=outputs,
            graph=number,
            repeats=repeats,
            branches=branches,
            in_loop=in_loop,
            folded=folded,
            attributes=self._parameters(node),
        )
        self.steps.append(step)
        for value in present:
            value.users.append(step)
        for output in outputs:
            output.producer = step
            output.constant = folded
            output.stored = _carried_on(step) if folded else ()
            if output.name:
                scope[output.name] = output
        loops = node.op_type in _LOOPS
        times = repeats * _iterations(step) if loops else repeats
        choice = next(self._choices)
        for index, body in enumerate(subgraphs_of(node)):
            inside = branches if loops else (*branches, (choice, index))
            self.graph(body, scope, times, inside, in_loop=in_loop or loops)

    def _add(self, name: str, dtype: int, shape: Shape, elements: int, size: int) -> Stored:
        tensor = Stored(len(self.stored), name, dtype, shape, elements, size)
        self.stored.append(tensor)
        return tensor

    def _constant(self, name: str, tensor: onnx.TensorProto) -> Value:
        shape = tuple(tensor.dims)
        elements = elements_of(name, shape)
        size = stored_bytes(tensor.data_type, elements)
        stored = self._add(name, tensor.data_type, shape, elements, size)
        number = None
        if tensor.data_type in (TensorProto.INT64, TensorProto.BOOL) and elements == 1:
            number = int(numpy_helper.to_array(tensor).item())
        return Value(name, tensor.data_type, shape, constant=True, stored=(stored,), number=number)

    def _sparse(self, name: str, sparse: onnx.SparseTensorProto) -> Value:
        dtype, shape = sparse.values.data_type, tuple(sparse.dims)
        elements = elements_of(name, sparse.values.dims)
        size = stored_bytes(dtype, elements) + 8 * elements_of(name, sparse.indices.dims)
        stored = self._add(name, dtype, shape, elements, size)
        return Value(name, dtype, shape, constant=True, stored=(stored,))

    def _constant_node(self, node: onnx.NodeProto, types: dict[str, onnx.TypeProto]) -> Value:
        name = node.output[0]
        for attribute in node.attribute:
            if attribute.HasField("t"):
                return self._constant(name, attribute.t)
            if attribute.HasField("sparse_tensor"):
                return self._sparse(name, attribute.sparse_tensor)
        value = _typed(name, types.get(name))
        value.constant = True
        return value

    def _parameters(self, node: onnx.NodeProto) -> tuple[Stored, ...]:
        if node.domain != "ai.onnx.ml":
            return ()
        numbers = size = 0
        for attribute in node.attribute:
            elements = elements_of(node.name, attribute.t.dims) if attribute.HasField("t") else 0
            size += stored_bytes(attribute.t.data_type, elements) or attribute.ByteSize()
            numbers += len(attribute.floats)
            numbers += elements if attribute.t.data_type in FLOAT_TYPES else 0
        name = node.name or node.op_type
        return (self._add(name, TensorProto.FLOAT, (numbers,), numbers, size),)


def _carried_on(step: Step) -> tuple[Stored, ...]:
    """What a computed constant is made of: not the shape or axes that told how."""
    numbers = tuple(one for one in step.weights if one.dtype in FLOAT_TYPES | NARROW_INTEGER_TYPES)
    return numbers or step.weights


def _typed(name: str, kind: onnx.TypeProto | None) -> Value:
    if kind is None or not kind.HasField("tensor_type"):
        return Value(name)
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return Value(name, tensor.elem_type)
    dims = tensor.shape.dim
    known = all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims)
    shape = tuple(dim.dim_value for dim in dims) if known else None
    return Value(name, tensor.elem_type, shape)


def _iterations(step: Step) -> int:
    """How often a Loop or Scan runs its body: 1 where only running it would tell."""
    if step.op_type == "Loop":
        trips = step.input(0)
        return max(trips.number or 1, 1) if trips else 1
    scanned = step.inputs[-1] if step.inputs else None
    axes = step.attribute_ints("scan_input_axes")
    axis = axes[-1] if axes else 0
    if scanned is None or not scanned.shape or not -len(scanned.shape) <= axis < len(scanned.shape):
        return 1
    return max(scanned.shape[axis], 1)
