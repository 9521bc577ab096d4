"""A model as the list of what runs, with where each value comes from.

Subgraphs are part of the list. Weights may reach their operator through other nodes
(Transpose, Reshape, Cast, DequantizeLinear, ...): a value that is computed from stored tensors
alone is constant, and remembers those tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import onnx
from onnx import TensorProto

Shape = tuple[int, ...]


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
