"""A model as the list of what runs, with where each value comes from.

Subgraphs are part of the list. Weights may reach their operator through other nodes
(Transpose, Reshape, Cast, DequantizeLinear, ...): a value that is computed from stored tensors
alone is constant, and remembers those tensors.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from itertools import count

import onnx
from onnx import TensorProto, numpy_helper

from core.intake.tensors import (
    FLOAT_TYPES,
    NARROW_INTEGER_TYPES,
    elements_of,
    stored_bytes,
    subgraphs_of,
)

Shape = tuple[int, ...]
_RANDOM = frozenset({"Bernoulli", "Multinomial", "RandomNormalLike", "RandomUniformLike"})
_LOOPS = frozenset({"Loop", "Scan"})


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in the file."""

    key: int
    """Its number in the file; two tensors of different subgraphs may share a name."""
    name: str
    dtype: int
    shape: Shape
    elements: int
    size_bytes: int


@dataclass(slots=True, eq=False)
class Value:
    """What flows from one operator to others."""

    name: str
    dtype: int = TensorProto.UNDEFINED
    shape: Shape | None = None
    """None where it could not be inferred."""
    constant: bool = False
    stored: tuple[Stored, ...] = ()
    """The tensors that a constant is computed from."""
    number: int | None = None
    """What a constant of one integer or truth value is."""
    producer: Step | None = None
    users: list[Step] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Step:
    """An operator that runs."""

    node: onnx.NodeProto
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    graph: int
    """Number of the (sub)graph it is in."""
    repeats: int
    """Times it runs for one sample, as far as the loops around it tell."""
    branches: tuple[tuple[int, int], ...]
    """For each If around it, from the outermost: its number and which branch this is in."""
    in_loop: bool
    folded: bool
    """It computes a constant, which onnxruntime does once when it loads the model."""
    attributes: tuple[Stored, ...] = ()
    """Parameters that ai.onnx.ml operators keep in their attributes."""

    @property
    def op_type(self) -> str:
        """The operator's name."""
        return self.node.op_type

    @property
    def weights(self) -> tuple[Stored, ...]:
        """The stored tensors that it reads, each once."""
        found = {tensor.key: tensor for value in self.inputs if value for tensor in value.stored}
        return (*found.values(), *self.attributes)

    def input(self, index: int) -> Value | None:
        """An input, None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def shape(self, index: int) -> Shape | None:
        """The shape of an input."""
        value = self.input(index)
        return value.shape if value else None

    def attribute(self, name: str, default: int) -> int:
        """An integer attribute."""
        return next((a.i for a in self.node.attribute if a.name == name), default)

    def attribute_ints(self, name: str) -> Shape:
        """An attribute that is a list of integers; empty where it is left out."""
        return next((tuple(a.ints) for a in self.node.attribute if a.name == name), ())


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that runs and everything that is stored."""

    steps: tuple[Step, ...]
    stored: tuple[Stored, ...]


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
            scope[node.output[0]] = self._constant_node(node)
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

    def _constant_node(self, node: onnx.NodeProto) -> Value:
        name = node.output[0]
        for attribute in node.attribute:
            if attribute.HasField("t"):
                return self._constant(name, attribute.t)
            if attribute.HasField("sparse_tensor"):
                return self._sparse(name, attribute.sparse_tensor)
            if attribute.name in ("value_float", "value_floats"):
                return Value(name, TensorProto.FLOAT, (len(attribute.floats),), constant=True)
        return Value(name, constant=True)

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


def walk_back(value: Value, through: frozenset[str]) -> Iterator[Value]:
    """The values that ``value`` is made from by the given operators alone, itself first."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if current.producer and current.producer.op_type in through:
            stack.extend(one for one in current.producer.inputs if one)
