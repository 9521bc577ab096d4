from pathlib import Path

import onnx
import pytest

from core.quantization.graph import WEIGHTED, Graph
from core.quantization.preprocess import preprocess
from core.quantization.selective import weight_bytes
from core.quantization.sensitivity.blocks import Block, blocks
from core.quantization.side_branches import find_side_branches
from tests.quantization.digits import Classifier

FIXTURES = Path(__file__).parents[2] / "fixtures"
MODELS = ("se_cnn_digits", "transformer_digits", "transformer_texts", "mlp_digits")


@pytest.mark.parametrize("name", MODELS)
def test_no_node_is_in_two_blocks_and_all_weights_are_in_one(name: str) -> None:
    graph = Graph(preprocess(FIXTURES / f"{name}.onnx"))
    parts = blocks(graph)
    names = [node for block in parts for node in block.nodes]
    assert len(names) == len(set(names))
    layers = {node.name for node in graph.nodes if node.op_type in WEIGHTED}
    assert layers <= set(names)
    assert sum(block.weight_bytes for block in parts) == pytest.approx(
        weight_bytes(graph, layers), rel=0.02
    )
    assert blocks(Graph(preprocess(FIXTURES / f"{name}.onnx"))) == parts


@pytest.mark.parametrize("name", MODELS)
def test_no_path_leaves_a_block_and_comes_back(name: str) -> None:
    graph = Graph(preprocess(FIXTURES / f"{name}.onnx"))
    index_of = {node: index for index, block in enumerate(blocks(graph)) for node in block.nodes}
    for node in graph.nodes:
        for reader in graph.readers(node):
            if reader.name in index_of:
                assert index_of.get(node.name, -1) <= index_of[reader.name]


def test_what_computes_sizes_is_in_no_block() -> None:
    graph = Graph(preprocess(FIXTURES / "transformer_texts.onnx"))
    sizes = {node.name for node in graph.nodes if node.op_type == "Shape"}
    sizes |= {
        reader.name for node in graph.nodes if node.name in sizes for reader in graph.readers(node)
    }
    assert len(sizes) > 4
    assert not sizes.intersection(node for block in blocks(graph) for node in block.nodes)


def of(parts: tuple[Block, ...], node: str) -> Block:
    return next(block for block in parts if node in block.nodes)


def test_a_layer_goes_with_its_activation_and_a_side_branch_alone(excited: Classifier) -> None:
    graph = Graph(preprocess(excited.path))
    parts = blocks(graph)
    branches = find_side_branches(graph)
    assert len(branches) == 2
    for branch in branches:
        assert of(parts, branch.inner[0]).nodes == branch.inner
        assert of(parts, branch.scale).nodes == (branch.scale,)
        before = of(parts, branch.pool)
        assert before.op_type == "Conv"
        assert [graph.producers[output].op_type for output in _made(graph, before)] == [
            *("Conv", "Sigmoid", "Mul", "GlobalAveragePool")
        ]
    convolutions = [node for node in graph.nodes if node.op_type == "Conv"]
    inside = sum(node.op_type == "Conv" for b in branches for node in _nodes(graph, b.inner))
    assert len(parts) == len(convolutions) - inside + 2 * len(branches) + 1


def _nodes(graph: Graph, names: tuple[str, ...]) -> list[onnx.NodeProto]:
    return [node for node in graph.nodes if node.name in names]


def _made(graph: Graph, block: Block) -> list[str]:
    return [node.output[0] for node in _nodes(graph, block.nodes)]
