from itertools import pairwise

import onnx
import pytest
from onnx import TensorProto, helper

from core.intake.order import sort_nodes
from core.records import BadInput


def chain(names: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Relu", [before], [after], name=after) for before, after in pairwise(names)
    ]


def graph(nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    return helper.make_graph(nodes, "g", [value], [value])


def test_shuffled_nodes_run_again() -> None:
    nodes = chain("abcdefgh")
    shuffled = graph([nodes[index] for index in (4, 0, 6, 2, 5, 1, 3)])
    sort_nodes(shuffled)
    assert [node.name for node in shuffled.node] == list("bcdefgh")


def test_nodes_in_order_stay_as_they_are() -> None:
    nodes = [*chain("abc"), *chain("xyz")]
    ordered = graph(nodes)
    sort_nodes(ordered)
    assert [node.name for node in ordered.node] == ["b", "c", "y", "z"]


def test_what_a_branch_reads_comes_before_it() -> None:
    branch = helper.make_node(
        "If", ["c"], ["out"], name="if", then_branch=graph(chain("by")), else_branch=graph([])
    )
    mixed = graph([branch, *chain("ab")])
    sort_nodes(mixed)
    assert [node.name for node in mixed.node] == ["b", "if"]


def test_a_circle_is_bad_input() -> None:
    with pytest.raises(BadInput, match="wait for one another"):
        sort_nodes(graph([*chain("ab"), *chain("ba")]))
