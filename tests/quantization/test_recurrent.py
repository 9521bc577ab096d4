from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from core.quantization.graph import Graph
from core.quantization.int8_dynamic import to_int8_dynamic
from core.quantization.int8_weight_only import weight_only
from core.quantization.preprocess import preprocess
from core.quantization.recurrent import dynamic_variants, stored_variant
from core.quantization.rewrites.smooth_lstm import smooth_inputs, smoothable_inputs
from core.records import Recipe, from_json, to_json
from tests.quantization.digits import Classifier, GraphBuilder, run

FIXTURES = Path(__file__).parents[1] / "fixtures"
DYNAMIC = Recipe(id="int8_dynamic", method="int8_dynamic", op_types=("LSTM", "MatMul"))


def stacked(op_type: str, units: list[int], head: int = 10) -> Graph:
    """Recurrent layers of these widths on 8 features, with a linear layer behind the last."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op_type]
    net = GraphBuilder()
    x, inputs = "images", 8
    for width in units:
        weights = net.constant(net.normal(1, gates * width, inputs))
        recurrence = net.constant(net.normal(1, gates * width, width))
        steps = net.add(op_type, x, weights, recurrence, hidden_size=width)
        x, inputs = net.add("Squeeze", steps, net.constant(np.array([1], np.int64))), width
    logits = net.add("MatMul", x, net.constant(net.normal(inputs, head)))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        net.nodes,
        "stack",
        [info("images", onnx.TensorProto.FLOAT, ["steps", "batch", 8])],
        [info(logits, onnx.TensorProto.FLOAT, ["steps", "batch", head])],
        net.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return Graph(model)


def without(recipes: Iterable[Recipe]) -> dict[str, tuple[str, ...]]:
    return {recipe.id: recipe.left_in_float for recipe in recipes if recipe.left_in_float}


def test_each_lstm_is_left_out_alone_the_largest_first() -> None:
    graph = stacked("LSTM", [16, 48, 32], head=2000)
    names = [node.name for node in graph.nodes if node.op_type == "LSTM"]
    per_layer, *recipes = dynamic_variants(graph, DYNAMIC)
    assert not per_layer.per_channel
    assert without(recipes) == {
        "int8_dynamic_without_lstms": tuple(names),
        "int8_dynamic_without_2": (names[1],),
        "int8_dynamic_without_3": (names[2],),
        "int8_dynamic_without_1": (names[0],),
    }
    for recipe in recipes:
        assert replace(recipe, id=DYNAMIC.id, left_in_float=(), note="") == DYNAMIC
        assert recipe.note
        assert from_json(Recipe, to_json(recipe)) == recipe


def test_a_deep_stack_tries_only_its_largest_layers() -> None:
    graph = stacked("LSTM", [16, 24, 16, 24, 32, 40])
    ids = list(without(dynamic_variants(graph, DYNAMIC)))
    assert ids == [f"int8_dynamic_without_{number}" for number in (6, 5, 2, 4)]


def test_what_leaves_nothing_to_gain_is_not_tried() -> None:
    recipes = dynamic_variants(stacked("LSTM", [64]), DYNAMIC)
    assert [recipe.id for recipe in recipes] == ["int8_dynamic_per_layer"]


def test_smoothing_is_tried_where_there_are_samples() -> None:
    recipes = dynamic_variants(stacked("LSTM", [64]), DYNAMIC, 50)
    smoothed = [recipe for recipe in recipes if recipe.smooth is not None]
    assert [(recipe.id, recipe.per_channel) for recipe in smoothed] == [
        ("int8_dynamic_smooth", True),
        ("int8_dynamic_smooth_per_layer", False),
    ]
    assert all(recipe.calibration_samples == 50 for recipe in smoothed)


def test_a_smoothed_layer_computes_the_same_on_even_channels() -> None:
    graph = stacked("LSTM", [16, 24])
    first, second = smoothable_inputs(graph.model)
    scales = np.array([1e3, 1, 1, 1, 0, 10, 1, 1e-2], np.float32)
    steps = np.random.default_rng(0).uniform(-1, 1, (20, 2, 8)).astype(np.float32) * scales
    maxima = {first: np.abs(steps).max((0, 1)), second: np.ones(16, np.float32)}
    smoothed = smooth_inputs(graph.model, maxima, 1.0)
    assert run(smoothed, steps) == pytest.approx(run(graph.model, steps), abs=1e-4)
    (even,) = (node for node in smoothed.graph.node if node.op_type == "Mul")
    factor = Graph(smoothed).value(even.input[1])
    assert factor is not None
    highest = np.abs(steps * factor.astype(np.float32)).max((0, 1))
    assert highest == pytest.approx([1, 1, 1, 1, 0, 1, 1, 1])


def test_channels_alike_stay_as_they_are() -> None:
    graph = stacked("LSTM", [16])
    (name,) = smoothable_inputs(graph.model)
    maxima = {name: np.linspace(1, 3, 8, dtype=np.float32)}
    assert smooth_inputs(graph.model, maxima, 1.0) == graph.model


def test_smoothing_rescues_a_model_that_dynamic_int8_wrecks(tmp_path: Path) -> None:
    with np.load(FIXTURES / "smartwatch.npz", allow_pickle=False) as arrays:
        inputs, labels = arrays["input"], arrays["labels"]
    prepared = preprocess(FIXTURES / "lstm_smartwatch.onnx")
    first, second = smoothable_inputs(prepared)
    maxima = {first: np.abs(inputs[::4]).max((0, 1)), second: np.ones(96, np.float32)}

    def accuracy(model: onnx.ModelProto, *, quantized: bool = True) -> float:
        onnx.save(model, tmp_path / "model.onnx")
        made = to_int8_dynamic(tmp_path / "model.onnx", DYNAMIC) if quantized else model
        return float(np.mean(run(made, inputs[1::4]).argmax(1) == labels[1::4]))

    intact = accuracy(prepared, quantized=False)
    assert accuracy(prepared) < intact - 0.10
    assert accuracy(smooth_inputs(prepared, maxima, 1.0)) > intact - 0.02


@pytest.mark.parametrize("op_type", ["GRU", "RNN"])
def test_layers_without_an_int8_kernel_are_stored_and_it_says_so(op_type: str) -> None:
    graph = stacked(op_type, [32, 32])
    assert dynamic_variants(graph, DYNAMIC, 50) == ()
    recipe = stored_variant(graph)
    assert recipe.method == "int8_weight_only"
    assert f"no INT8 kernel for {op_type}," in recipe.note


def test_a_model_without_recurrent_layers_has_none(plain: Classifier) -> None:
    graph = Graph(preprocess(plain.path))
    assert dynamic_variants(graph, DYNAMIC) == ()
    assert stored_variant(graph) == weight_only()
