"""A model in the making: an FP32 model with parts of its quantized form in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization.quant_utils import DEQUANT_OUTPUT_SUFFIX

from core.quantization.calibration import fixed_batch
from core.quantization.graph import Graph
from core.quantization.sensitivity.blocks import Block

CLEAN: Final = -1
"""The row in which nothing is quantized."""
_PREFIX: Final = "quantized/"
_CONVERSIONS: Final = frozenset({"QuantizeLinear", "DequantizeLinear"})


class Variant:
    """A model in the making.

    Attributes:
        graph: Of the FP32 model.
    """

    def __init__(self, original: onnx.ModelProto, quantized: onnx.ModelProto) -> None:
        self.graph = Graph(original)
        self._quantized = Graph(quantized)
        self._opsets = {(entry.domain, entry.version) for entry in quantized.opset_import}
        self._nodes: list[NodeProto] = []
        self._constants = dict(self.graph.constants)
        self._made: set[str] = set()

    def copy(self, node: NodeProto) -> NodeProto:
        """Adds a node of the FP32 model."""
        copy = NodeProto()
        copy.CopyFrom(node)
        self._nodes.append(copy)
        return copy

    def add(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds a new node; returns its result."""
        output = f"variant_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op_type, inputs, [output], output, **attributes))
        return output

    def constant(self, values: Sequence[int]) -> str:
        """Adds a constant of integers."""
        name = f"variant_constant_{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def clean(self, tensor: str) -> str:
        """A tensor's values where nothing is quantized."""
        return tensor

    def quantize(self, block: Block, tensor: str) -> str:
        """Adds what computes a result of a block when that is quantized; returns its name."""
        dequantized = tensor + DEQUANT_OUTPUT_SUFFIX
        wanted = dequantized if dequantized in self._quantized.producers else tensor
        return self._copied(block, frozenset(block.nodes), wanted)

    def model(self, outputs: Iterable[str]) -> onnx.ModelProto:
        """All that was added as a model with these float outputs, of any shape."""
        original = self.graph.model
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        read = {name for node in self._nodes for name in node.input}
        constants = [tensor for name, tensor in self._constants.items() if name in read]
        graph = helper.make_graph(self._nodes, "variant", original.graph.input, values, constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self._opsets]
        return helper.make_model(graph, ir_version=original.ir_version, opset_imports=opsets)

    def _copied(self, block: Block, inside: frozenset[str], tensor: str) -> str:
        """A tensor of the quantized model, with all inside the block that it is made of."""
        producer = self._quantized.producers.get(tensor)
        name = f"{_PREFIX}{block.name}/{tensor}"
        if producer is None and tensor in self._quantized.constants:
            name = _PREFIX + tensor
            if name not in self._constants:
                constant = TensorProto()
                constant.CopyFrom(self._quantized.constants[tensor])
                constant.name = name
                self._constants[name] = constant
            return name
        if producer is None or not (producer.op_type in _CONVERSIONS or producer.name in inside):
            return self.clean(tensor.removesuffix(DEQUANT_OUTPUT_SUFFIX))
        made_by = self.graph.producers.get(tensor)
        if made_by is not None and made_by.name not in inside:
            return self.clean(tensor)
        if name not in self._made:
            self._made.add(name)
            copy = NodeProto()
            copy.CopyFrom(producer)
            copy.name = f"{_PREFIX}{block.name}/{producer.name}"
            copy.input[:] = [
                source and self._copied(block, inside, source) for source in producer.input
            ]
            copy.output[:] = [made and f"{_PREFIX}{block.name}/{made}" for made in producer.output]
            self._made.update(copy.output)
            self._nodes.append(copy)
        return name


class GrowingVariant(Variant):
    """A model in the making whose batch grows from block to block.

    Args:
        original: FP32 model.
        quantized: QDQ model made of it.
        batch: Samples that make up a row.
    """

    def __init__(self, original: onnx.ModelProto, quantized: onnx.ModelProto, batch: int) -> None:
        super().__init__(original, quantized)
        self._batch = batch
        self._is_fixed = fixed_batch(original) is not None
        self._rows: dict[str, tuple[int, ...]] = {
            value.name: (CLEAN,) for value in original.graph.input
        }
        self._names: dict[str, str] = {value.name: value.name for value in original.graph.input}
        self._aligned: dict[tuple[str, tuple[int, ...]], str] = {}

    def clean(self, tensor: str) -> str:
        """The first row of a tensor."""
        return self.aligned(tensor, (CLEAN,)) if tensor in self._rows else tensor

    def carry(self, node: NodeProto, own: int | None) -> None:
        """Adds a node, with all rows of its inputs but that of its own block."""
        read = {row for name in node.input for row in self._rows.get(name, ()) if row != own}
        rows = tuple(sorted(read))
        copy = self.copy(node)
        copy.input[:] = [
            self.aligned(name, rows) if name in self._rows else name for name in node.input
        ]
        if node.op_type == "Reshape" and self._is_fixed:
            copy.input[1] = self._free_batch(node.input[1])
        if rows:
            for name in node.output:
                self._rows[name], self._names[name] = rows, name

    def join(self, block: Block, tensor: str, row: int) -> None:
        """Adds the row of a block to one of its results."""
        parts = [self._names[tensor], self.quantize(block, tensor)]
        self._names[tensor] = self.add("Concat", parts, axis=0)
        self._rows[tensor] = (*self._rows[tensor], row)

    def aligned(self, tensor: str, rows: tuple[int, ...]) -> str:
        """A tensor with these rows; where it lacks one, nothing is quantized yet."""
        have = self._rows[tensor]
        if have == rows:
            return self._names[tensor]
        key = self._names[tensor], rows
        if key not in self._aligned:
            places = {row: place for place, row in enumerate(have)}
            first = [places.get(row, 0) * self._batch for row in rows]
            picked = [start + sample for start in first for sample in range(self._batch)]
            self._aligned[key] = self.add(
                "Gather", [self._names[tensor], self.constant(picked)], axis=0
            )
        return self._aligned[key]

    def _free_batch(self, shape: str) -> str:
        """A constant shape that keeps the batch as it is, instead of insisting on its size."""
        sizes = self.graph.value(shape)
        if sizes is None or sizes.size == 0 or int(sizes[0]) != self._batch:
            return shape
        return self.constant([0, *map(int, sizes[1:])])
