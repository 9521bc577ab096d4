"""Models in which single blocks are quantized, and all others FP32.

With one block quantized, all before it computes what the FP32 model computes. So one run serves
many blocks: where a block ends, its quantized results on the FP32 model's inputs join the batch as
one more row, and what comes behind carries all rows along. Whatever lies before a block is
computed once for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto

from core.quantization.graph import Graph
from core.quantization.sensitivity.blocks import Block
from core.quantization.sensitivity.variant import CLEAN, GrowingVariant, Variant

# What they compute depends on the size of the batch, or they hold nodes that are not seen here.
_BATCH_READERS: Final = frozenset({"Shape", "Size", "NonZero", "If", "Loop", "Scan"})
_LARGEST_BYTES: Final = 128 * 1024**2
"""Of a tensor with the rows of all blocks that are followed at once."""


def side_by_side(
    original: onnx.ModelProto, quantized: onnx.ModelProto, blocks: Sequence[Block]
) -> onnx.ModelProto:
    """Puts each block's quantized form beside it, on the inputs that it has in FP32.

    Args:
        original: FP32 model; not changed.
        quantized: QDQ model made of it, whose nodes have their names still; not changed.
        blocks: Of the FP32 model.

    Returns:
        A model whose outputs are, for each block, the sums of squares of its results in FP32 and
        of what quantizing it changes in them; scalars.
    """
    made = Variant(original, quantized)
    for node in made.graph.nodes:
        made.copy(node)
    outputs = []
    for block in blocks:
        signals, noises = [], []
        for tensor in _results(made.graph, block):
            noise = made.add("Sub", [made.quantize(block, tensor), tensor])
            signals.append(made.add("ReduceSumSquare", [tensor], keepdims=0))
            noises.append(made.add("ReduceSumSquare", [noise], keepdims=0))
        outputs += [made.add("Sum", signals), made.add("Sum", noises)]
    return made.model(outputs)


def one_quantized(
    original: onnx.ModelProto, quantized: onnx.ModelProto, block: Block
) -> onnx.ModelProto:
    """Quantizes one block of an FP32 model; the outputs are those that :func:`outputs` names."""
    made = Variant(original, quantized)
    results = _results(made.graph, block)
    instead: dict[str, str] = {}
    for node in made.graph.nodes:
        copy = made.copy(node)
        if node.name not in block.nodes:
            copy.input[:] = [instead.get(name, name) for name in node.input]
        for tensor in node.output:
            if tensor in results:
                instead[tensor] = made.quantize(block, tensor)
    return made.model([instead.get(name, name) for name in outputs(original)])


def each_quantized(
    original: onnx.ModelProto, quantized: onnx.ModelProto, blocks: Sequence[Block], batch: int
) -> onnx.ModelProto:
    """Adds a row to the batch of an FP32 model for each block.

    Args:
        original: FP32 model; not changed.
        quantized: QDQ model made of it, whose nodes have their names still; not changed.
        blocks: Of the FP32 model.
        batch: Samples a run; they are one row.

    Returns:
        A model whose outputs, those that :func:`outputs` names, have the shape
        ``((1 + blocks) * batch, ...)``: all in FP32, then with each block quantized.

    Raises:
        NotImplementedError: The model reads the size of its batch, which cannot grow then. There
            may be other reasons, which only running it shows.
    """
    if any(node.op_type in _BATCH_READERS for node in original.graph.node):
        message = "The batch cannot grow."
        raise NotImplementedError(message)
    rows = GrowingVariant(original, quantized, batch)
    index_of = {name: index for index, block in enumerate(blocks) for name in block.nodes}
    results = [_results(rows.graph, block) for block in blocks]
    for node in rows.graph.nodes:
        index = index_of.get(node.name)
        rows.carry(node, index)
        if index is None:
            continue
        for tensor in node.output:
            if tensor in results[index]:
                rows.join(blocks[index], tensor, index)
    every = (CLEAN, *range(len(blocks)))
    return rows.model([rows.aligned(name, every) for name in outputs(original)])


def fitting(model: onnx.ModelProto, blocks: Sequence[Block], batch: int) -> int:
    """How many of the first blocks :func:`each_quantized` can have in memory; one at least.

    Args:
        model: FP32 model, with the shapes that are known.
        blocks: In any order.
        batch: Samples a run.
    """
    graph = Graph(model)
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    sizes = np.zeros(len(graph.nodes))
    for value in model.graph.value_info:
        if value.name in graph.producers:
            known = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim[1:]]
            place = places[graph.producers[value.name].name]
            sizes[place] = max(sizes[place], 4.0 * batch * np.prod(known))
    rows = np.ones(len(graph.nodes))
    for count, block in enumerate(blocks):
        rows[places[block.nodes[0]] :] += 1
        if count and (rows * sizes).max() > _LARGEST_BYTES:
            return count
    return len(blocks)


def outputs(model: onnx.ModelProto) -> tuple[str, ...]:
    """The float outputs of a model."""
    return tuple(
        value.name
        for value in model.graph.output
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    )


def _results(graph: Graph, block: Block) -> tuple[str, ...]:
    """What is read of a block's results elsewhere."""
    inside = frozenset(block.nodes)
    return tuple(
        name
        for node in graph.nodes
        if node.name in inside
        for name in node.output
        if name in graph.outputs
        or any(reader.name not in inside for reader in graph.consumers[name])
    )
