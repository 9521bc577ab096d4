from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.quantization.graph import Graph
from core.quantization.preprocess import preprocess
from core.quantization.sensitivity.block_latency import RunTimes, block_latency
from core.quantization.sensitivity.blocks import Block, blocks
from core.records import Deployment, ModelProfile
from tests.quantization.digits import Classifier
from tests.quantization.test_make import make, plan

Profiles = Callable[..., ModelProfile]
Timed = tuple[tuple[Block, ...], *tuple[RunTimes, ...]]


@pytest.fixture
def timed(excited: Classifier, profile: Profiles, tmp_path: Path) -> Callable[[str], Timed]:
    def measure(recipe: str) -> Timed:
        baseline, candidate = tmp_path / "prepared.onnx", tmp_path / "candidate.onnx"
        model = preprocess(excited.path)
        onnx.save(model, baseline)
        make(excited, plan(excited, profile())[recipe], candidate)
        parts = blocks(Graph(model))
        feeds = {"images": np.zeros((1, 1, 16, 16), np.float32)}
        return parts, *block_latency(baseline, [candidate], parts, feeds, Deployment(), 0.5)

    return measure


@pytest.mark.parametrize("recipe", ["int8_static", "int8_static_side_branches"])
def test_all_time_is_traced_back_to_blocks(timed: Callable[[str], Timed], recipe: str) -> None:
    parts, in_float, in_int8 = timed(recipe)
    for times in (in_float, in_int8):
        assert set(times.blocks) == {block.name for block in parts}
        assert sum(times.blocks.values()) == pytest.approx(sum(times.op_types.values()))
    # What one profile fuses or converts, the other does not have.
    assert "QuickGelu" in in_float.op_types
    assert "QuantizeLinear" not in in_float.op_types
    assert {"QLinearConv", "QuantizeLinear"} <= set(in_int8.op_types)


def test_the_largest_layer_takes_the_most_time(timed: Callable[[str], Timed]) -> None:
    parts, in_float, _ = timed("int8_static")
    largest = max(parts, key=lambda block: block.weight_bytes)
    assert in_float.blocks[largest.name] > 3 * in_float.blocks[parts[-1].name]
