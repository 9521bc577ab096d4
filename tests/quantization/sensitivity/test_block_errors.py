from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from core.quantization.graph import Graph
from core.quantization.int8_static import to_int8_static
from core.quantization.preprocess import preprocess
from core.quantization.sensitivity.block_errors import BlockErrors, measure_errors
from core.quantization.sensitivity.block_variants import each_quantized, one_quantized
from core.quantization.sensitivity.blocks import Block, blocks
from tests.quantization.activations.test_observe import (
    FIXTURES,
    Feeds,
    Samples,
    images,
    save,
    token_feeds,
)
from tests.quantization.digits import Classifier, run
from tests.quantization.test_int8_static import recipe

LAYERS = ("Clip", "Conv", "Gemm", "MatMul", "Relu")


def quantize(
    model: onnx.ModelProto, feeds: list[Feeds], folder: Path, *op_types: str
) -> onnx.ModelProto:
    chosen = recipe(op_types=op_types) if op_types else recipe()
    return to_int8_static(save(model, folder), chosen, Samples(feeds), folder / "seen")


def measure(
    model: onnx.ModelProto,
    quantized: onnx.ModelProto,
    feeds: list[Feeds],
    budget_s: float = 60.0,
) -> BlockErrors:
    parts = blocks(Graph(model))
    return measure_errors(model, quantized, parts, feeds, budget_s, lambda *_: None)


def fixed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model whose batch is 1, with the flattening spelled so."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    (flatten,) = (node for node in model.graph.node if node.op_type == "Flatten")
    flatten.op_type = "Reshape"
    del flatten.attribute[:]
    flatten.input.append("flat")
    model.graph.initializer.append(helper.make_tensor("flat", 7, [2], [1, 256]))
    return model


def reading_its_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that flattens to the batch size of its input."""
    (flatten,) = (node for node in model.graph.node if node.op_type == "Flatten")
    flatten.op_type = "Reshape"
    del flatten.attribute[:]
    flatten.input.append("sizes")
    model.graph.initializer.append(helper.make_tensor("rest", 7, [1], [256]))
    model.graph.node.insert(
        0, helper.make_node("Shape", ["images"], ["count"], "count", start=0, end=1)
    )
    model.graph.node.insert(
        1, helper.make_node("Concat", ["count", "rest"], ["sizes"], "sizes", axis=0)
    )
    return model


def alone(
    model: onnx.ModelProto, quantized: onnx.ModelProto, block: Block, feeds: list[Feeds]
) -> float:
    """Noise over signal by the definition, from a model with one quantized block."""
    variant = one_quantized(model, quantized, block)
    before = np.concatenate([run(model, feed["images"]) for feed in feeds])
    after = np.concatenate([run(variant, feed["images"]) for feed in feeds])
    noise = (after - before).var(axis=0, ddof=1).sum()
    return float(noise / np.square(before).sum(axis=1).mean())


@pytest.mark.parametrize("form", [lambda model: model, fixed, reading_its_batch])
def test_errors_at_the_output_are_those_of_models_with_one_quantized_block(
    excited: Classifier, tmp_path: Path, form: Callable[[onnx.ModelProto], onnx.ModelProto]
) -> None:
    model, feeds = form(preprocess(excited.path)), images(4, 1, 16, 16)
    quantized = quantize(model, feeds, tmp_path)
    errors = measure(model, quantized, feeds)
    assert errors.samples == 4
    parts = blocks(Graph(model))
    assert set(errors.at_output) == {block.name for block in parts}
    for block in parts:
        wanted = alone(model, quantized, block, feeds)
        assert errors.at_output[block.name] == pytest.approx(wanted, rel=0.02)


def test_the_last_blocks_error_is_the_one_at_the_output(
    excited: Classifier, tmp_path: Path
) -> None:
    model, feeds = preprocess(excited.path), images(1, 1, 16, 16)
    errors = measure(model, quantize(model, feeds, tmp_path), feeds)
    last = blocks(Graph(model))[-1].name
    assert 10 ** (-errors.sqnr_db[last] / 10) == pytest.approx(errors.at_output[last], rel=0.01)
    assert errors.sqnr_db[last] > 20


def test_transformers_too(tmp_path: Path) -> None:
    model = preprocess(FIXTURES / "transformer_digits.onnx")
    feeds = list(token_feeds(4))
    quantized = quantize(model, feeds, tmp_path, *LAYERS)
    each_quantized(model, quantized, blocks(Graph(model)), 1)
    errors = measure(model, quantized, feeds)
    parts = blocks(Graph(model))
    assert set(errors.at_output) == {block.name for block in parts}
    assert all(1e-9 < error < 1e-2 for error in errors.at_output.values())


def test_without_time_the_most_suspicious_block_is_followed(
    excited: Classifier, tmp_path: Path
) -> None:
    model, feeds = reading_its_batch(preprocess(excited.path)), images(4, 1, 16, 16)
    errors = measure(model, quantize(model, feeds, tmp_path), feeds, budget_s=0.0)
    assert errors.samples == 1
    (followed,) = errors.at_output
    assert followed == lowest(errors.sqnr_db)


def lowest(values: Mapping[str, float]) -> str:
    return min(values, key=lambda name: values[name])
