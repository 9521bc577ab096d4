"""Real models in real onnxruntime sessions, once through the real child process."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.accuracy import Predictions, predict
from core.records import BadInput, DatasetProfile, Deployment, PreparedData, Splits
from core.sandbox import call

SPLITS = Splits(calibration=2, search=3, confirm=7)
CLASSES = 3
INPUTS = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(4, CLASSES)).astype(np.float32)
SCORES = INPUTS @ WEIGHTS
ANSWERS = SCORES.argmax(axis=1)
CONFIRM = slice(5, 12)


@pytest.fixture
def prepared(tmp_path):
    (tmp_path / "inputs").mkdir()
    np.save(tmp_path / "inputs" / "0.npy", INPUTS)
    np.save(tmp_path / "labels.npy", ANSWERS)
    profile = DatasetProfile(
        sha256="0" * 64,
        kind="npz",
        samples=12,
        classes=CLASSES,
        class_names=("a", "b", "c"),
        class_counts=(4, 4, 4),
        splits=SPLITS,
        preprocessing=None,
    )
    return PreparedData(folder=str(tmp_path), input_names=("x",), profile=profile)


def save(folder: Path, nodes, outputs, batch="n", **weights):
    """Saves a model from ``x`` (batch, 4) to ``outputs``: element types by name."""
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in nodes],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4])],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()],
    )
    path = folder / "model.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def linear(folder, batch="n", weights=WEIGHTS):
    nodes = [("MatMul", ["x", "w"], "y", {})]
    return save(folder, nodes, {"y": TensorProto.FLOAT}, batch, w=weights)


def run(model, prepared, split="confirm", batch_size=1, report=lambda _fraction, _words: None):
    return predict(model, prepared, split, Deployment(batch_size=batch_size), report)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_answers_in_the_order_of_the_split(tmp_path, prepared, batch_size):
    found = run(linear(tmp_path), prepared, batch_size=batch_size)
    assert found == Predictions(tuple(ANSWERS[CONFIRM].tolist()), True, CLASSES)


@pytest.mark.parametrize("batch", [1, 2, 5, 16])
def test_a_fixed_batch_is_filled_up(tmp_path, prepared, batch):
    found = run(linear(tmp_path, batch), prepared, batch_size=3)
    assert found.classes == tuple(ANSWERS[CONFIRM].tolist())


def test_through_the_sandbox_with_progress(tmp_path, prepared):
    told = []
    found = call(
        predict,
        linear(tmp_path),
        prepared,
        "search",
        Deployment(),
        report=lambda fraction, words: told.append((fraction, words)),
    )
    assert found == Predictions(tuple(ANSWERS[2:5].tolist()), True, CLASSES)
    assert found.join(found).classes == found.classes * 2


@pytest.fixture
def wide():
    """Weights of a model that tells eight classes apart, two of which always tie."""
    weights = np.random.default_rng(2).normal(size=(4, 8)).astype(np.float32)
    weights[:, 5] = weights[:, 2]
    return weights


@pytest.mark.parametrize("batch", ["n", 4])
def test_ranks_count_the_classes_before_the_true_one(tmp_path, prepared, wide, batch):
    found = run(linear(tmp_path, batch, wide), prepared, batch_size=2)
    scores = INPUTS[CONFIRM] @ wide
    order = np.argsort(-scores.round(6), axis=1, kind="stable")
    expected = (order == ANSWERS[CONFIRM][:, None]).argmax(axis=1)
    assert found.ranks == tuple(expected.tolist())


@pytest.mark.parametrize("label", [2, 5])
def test_rank_0_is_a_right_answer_also_in_a_tie(tmp_path, prepared, wide, label):
    np.save(Path(prepared.folder) / "labels.npy", np.full(12, label))
    found = run(linear(tmp_path, weights=wide), prepared)
    assert 2 in found.classes
    assert [rank == 0 for rank in found.ranks] == [answer == label for answer in found.classes]


def test_ranks_are_joined_and_travel(tmp_path, prepared, wide):
    model = linear(tmp_path, weights=wide)
    found = call(
        predict, model, prepared, "confirm", Deployment(), report=lambda _fraction, _words: None
    )
    assert found == run(model, prepared)
    assert found.join(found).ranks == found.ranks * 2
    assert found.join(Predictions((0,), True, 8)).ranks is None


def test_no_ranks_among_few_classes(tmp_path, prepared):
    assert run(linear(tmp_path), prepared).ranks is None


def test_progress_reaches_the_end(tmp_path, prepared):
    told = []
    run(linear(tmp_path), prepared, report=lambda fraction, words: told.append((fraction, words)))
    assert [fraction for fraction, _ in told] == pytest.approx([i / 7 for i in range(1, 8)])
    assert told[-1][1] == "7 of 7 samples"


def test_scores_as_a_picture_of_one_pixel(tmp_path, prepared):
    nodes = [("MatMul", ["x", "w"], "m", {}), ("Unsqueeze", ["m", "axes"], "y", {})]
    model = save(tmp_path, nodes, {"y": TensorProto.FLOAT}, w=WEIGHTS, axes=np.array([2, 3]))
    assert run(model, prepared).classes == tuple(ANSWERS[CONFIRM].tolist())


def test_an_embedding_before_the_scores_is_not_the_answer(tmp_path, prepared):
    nodes = [("Relu", ["x"], "embedding", {}), ("MatMul", ["x", "w"], "y", {})]
    outputs = {"embedding": TensorProto.FLOAT, "y": TensorProto.FLOAT}
    model = save(tmp_path, nodes, outputs, w=WEIGHTS)
    assert run(model, prepared).classes == tuple(ANSWERS[CONFIRM].tolist())


def test_labels_as_output(tmp_path, prepared):
    nodes = [
        ("MatMul", ["x", "w"], "m", {}),
        ("ArgMax", ["m"], "y", {"axis": 1, "keepdims": 0}),
    ]
    model = save(tmp_path, nodes, {"y": TensorProto.INT64}, w=WEIGHTS)
    assert run(model, prepared).classes == tuple(ANSWERS[CONFIRM].tolist())


@pytest.mark.parametrize("probability", [True, False])
def test_one_score_is_yes_or_no(tmp_path, prepared, probability):
    """Half-way is 0.5 for probabilities and 0 for logits."""
    prepared = PreparedData(
        folder=prepared.folder,
        input_names=prepared.input_names,
        profile=DatasetProfile(**{**_fields(prepared.profile), "classes": 2}),
    )
    nodes = [("MatMul", ["x", "w"], "m" if probability else "y", {})]
    if probability:
        nodes.append(("Sigmoid", ["m"], "y", {}))
    model = save(tmp_path, nodes, {"y": TensorProto.FLOAT}, w=WEIGHTS[:, :1])
    found = run(model, prepared)
    assert found.classes == tuple((SCORES[CONFIRM, 0] > 0).astype(int).tolist())
    assert found.outputs == 2


def _fields(record):
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_noticed(tmp_path, prepared, bad):
    weights = WEIGHTS.copy()
    weights[0, 1] = bad
    assert not run(linear(tmp_path, weights=weights), prepared).finite


def test_a_shape_that_only_fails_when_run(tmp_path, prepared):
    nodes = [("Reshape", ["x", "shape"], "m", {}), ("MatMul", ["m", "w"], "y", {})]
    outputs = {"y": TensorProto.FLOAT}
    model = save(tmp_path, nodes, outputs, w=WEIGHTS, shape=np.array([2, 4]))
    with pytest.raises(BadInput, match=r"^The model cannot be run on these samples, .*: .*\.$"):
        run(model, prepared)


def test_fewer_outputs_than_classes(tmp_path, prepared):
    with pytest.raises(BadInput, match="tells 2 classes apart but the dataset has 3"):
        run(linear(tmp_path, weights=WEIGHTS[:, :2]), prepared)


def test_no_output_that_is_a_class(tmp_path, prepared):
    nodes = [("MatMul", ["x", "w"], "m", {}), ("Reshape", ["m", "shape"], "y", {})]
    shape = np.array([1, 1, -1, CLASSES])
    model = save(tmp_path, nodes, {"y": TensorProto.FLOAT}, w=WEIGHTS, shape=shape)
    with pytest.raises(BadInput, match=r"one score per class \(their shapes: \(1, 1, 1, 3\)\)"):
        run(model, prepared)
