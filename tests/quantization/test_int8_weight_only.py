from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from core.quantization.graph import Graph
from core.quantization.int8_weight_only import to_int8_weight_only, weight_only
from core.quantization.preprocess import preprocess
from core.records import Recipe

FIXTURES = Path(__file__).parents[1] / "fixtures"
ALL = weight_only()
BLOCKS = replace(ALL, id="blocks", block_size=32)


@pytest.fixture(params=["lstm_japanese_vowels", "transformer_digits", "se_cnn_digits"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "prepared.onnx"
    onnx.save(preprocess(FIXTURES / f"{request.param}.onnx"), path)
    return path


def run(path: Path, optimized: Path | None = None) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {}
    for value in session.get_inputs():
        shape = [size if isinstance(size, int) else 4 for size in value.shape]
        if value.type == "tensor(int64)":
            feeds[value.name] = rng.integers(0, 2, shape)
        else:
            feeds[value.name] = rng.normal(size=shape).astype(np.float32)
    answers: np.ndarray = session.run(None, feeds)[0]
    return answers


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


@pytest.mark.parametrize("recipe", [ALL, BLOCKS], ids=["rows", "blocks"])
def test_a_quarter_of_the_weights_and_nearly_the_same_answers(
    source: Path, recipe: Recipe, tmp_path: Path
) -> None:
    target = tmp_path / "stored.onnx"
    model = to_int8_weight_only(source, recipe)
    onnx.save(model, target)

    def weights(path: Path) -> int:
        return sum(len(tensor.raw_data) for tensor in onnx.load(path).graph.initializer)

    assert weights(target) < 0.4 * weights(source)
    assert error(run(source), run(target)) < 0.03
    assert {entry.domain for entry in model.opset_import} <= {"", "ai.onnx", "com.microsoft"}


def test_what_is_stored_by_rows_is_unpacked_once_when_a_session_opens(
    source: Path, tmp_path: Path
) -> None:
    target, opened = tmp_path / "stored.onnx", tmp_path / "opened.onnx"
    onnx.save(to_int8_weight_only(source, ALL), target)
    run(source, tmp_path / "before.onnx")
    run(target, opened)

    def operators(path: Path) -> Counter[str]:
        return Counter(node.op_type for node in onnx.load(path).graph.node)

    assert operators(opened)["Mul"] <= operators(tmp_path / "before.onnx")["Mul"]
    types = {tensor.data_type for tensor in onnx.load(opened).graph.initializer}
    assert TensorProto.INT8 not in types


def test_nodes_that_the_recipe_leaves_stay_as_they_are(source: Path) -> None:
    graph = Graph(onnx.load(source))
    node, tensor = next(graph.weights({TensorProto.FLOAT}))
    model = to_int8_weight_only(source, replace(ALL, left_in_float=(node.name,)))
    kept = Graph(model).constants
    assert kept[tensor.name] == tensor
    assert any(constant.data_type == TensorProto.INT8 for constant in kept.values())


def test_scales_of_inputs_and_outputs_make_the_weight(tmp_path: Path) -> None:
    source = tmp_path / "prepared.onnx"
    onnx.save(preprocess(FIXTURES / "lstm_japanese_vowels.onnx"), source)
    before = Graph(onnx.load(source))
    after = Graph(to_int8_weight_only(source, ALL))
    lstm = next(node for node in before.nodes if node.op_type == "LSTM")
    for name in lstm.input[1:3]:
        weights = before.value(name)
        stored, inputs, outputs = (
            after.value(f"{name}_{part}") for part in ("int8", "scale0", "scale1")
        )
        assert weights is not None
        assert stored is not None
        assert inputs is not None
        assert outputs is not None
        np.testing.assert_allclose(inputs, np.abs(weights).max(axis=1, keepdims=True))
        steps = inputs * outputs
        assert (np.abs(weights - stored * steps) <= steps * 0.501).all()
        assert (np.abs(stored).max(axis=2) == 127).all()


def test_inputs_of_very_different_magnitude_keep_their_part(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    magnitudes = np.float32([1, 10, 100, 1000])
    weights = rng.normal(size=(4, 64)).astype(np.float32) / magnitudes[:, None]
    samples = rng.normal(size=(32, 4)).astype(np.float32) * magnitudes
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")],
        "one layer",
        [onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 64])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset]), tmp_path / "x.onnx")
    stored = to_int8_weight_only(tmp_path / "x.onnx", ALL).SerializeToString()
    session = onnxruntime.InferenceSession(stored, providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, {"x": samples})[0])
    assert error(samples @ weights, found) < 0.01


@pytest.mark.parametrize("recipe", [ALL, BLOCKS], ids=["rows", "blocks"])
def test_the_same_file_gives_the_same_bytes(source: Path, recipe: Recipe) -> None:
    once, again = (to_int8_weight_only(source, recipe) for _ in range(2))
    assert once.SerializeToString() == again.SerializeToString()
