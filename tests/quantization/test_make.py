import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from core.quantization import MadeModel, make_candidate, plan_recipes
from core.quantization.graph import Graph
from core.records import BadInput, Deployment, ModelProfile, Recipe, to_json
from tests.quantization.digits import Classifier, GraphBuilder, accuracy, recurrent_features
from tests.quantization.test_hardware import HERE, flags_here

Profiles = Callable[..., ModelProfile]


def plan(classifier: Classifier, profile: ModelProfile) -> dict[str, Recipe]:
    recipes = plan_recipes(classifier.path, profile, flags_here(), HERE, None, 100)
    return {recipe.id: recipe for recipe in recipes}


def make(
    classifier: Classifier, recipe: Recipe, output: Path, batch_size: int = 3, seed: int = 0
) -> MadeModel:
    deployment = Deployment(batch_size=batch_size)
    return make_candidate(
        classifier.path,
        recipe,
        classifier.prepared,
        output,
        seed,
        deployment,
        lambda _fraction, _words: None,
    )


def quantized_layers(path: Path) -> set[str]:
    """Names of the layers whose weights are INT8 in a QDQ model."""
    graph = Graph(onnx.load(path))
    layers = set()
    for node in graph.nodes:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            source = graph.producers.get(node.input[1])
            if source is not None and source.op_type == "DequantizeLinear":
                layers.add(node.name)
    return layers


@pytest.mark.parametrize(
    ("kind", "recipe", "size", "points"),
    [
        ("excited", "float16", 0.52, 0.3),
        ("excited", "int8_dynamic", 0.30, 1.5),
        ("excited", "int8_static", 0.33, 1.5),
        ("excited", "int8_static_selective", 0.33, 1.5),
        ("excited", "int8_static_side_branches", 0.37, 1.5),
        ("plain", "float16", 0.52, 0.3),
        ("plain", "int8_dynamic", 0.30, 1.5),
        ("plain", "int8_static", 0.33, 1.5),
        ("plain", "int8_static_selective", 0.37, 1.5),
    ],
)
def test_a_cnn_becomes_small_and_stays_right(
    request: pytest.FixtureRequest,
    profile: Profiles,
    tmp_path: Path,
    kind: str,
    recipe: str,
    size: float,
    points: float,
) -> None:
    classifier: Classifier = request.getfixturevalue(kind)
    before = classifier.path.read_bytes()
    output = tmp_path / "models" / "candidate.onnx"
    made = make(classifier, plan(classifier, profile("cnn"))[recipe], output)

    assert classifier.path.read_bytes() == before
    assert made.sha256 == hashlib.sha256(output.read_bytes()).hexdigest()
    assert made.size_bytes == output.stat().st_size
    assert made.size_bytes < size * len(before)
    assert made.quantized_nodes > 0
    drop = accuracy(classifier.path, classifier.prepared) - accuracy(output, classifier.prepared)
    assert abs(100 * drop) <= points
    assert [path.name for path in output.parent.iterdir()] == ["candidate.onnx"]


def test_static_quantizes_all_layers_and_selective_all_but_its_own(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    recipes = plan(excited, profile("cnn"))
    make(excited, recipes["int8_static"], tmp_path / "all.onnx")
    selective = recipes["int8_static_side_branches"]
    make(excited, selective, tmp_path / "some.onnx")
    everything = quantized_layers(tmp_path / "all.onnx")
    assert len(everything) == 12
    assert quantized_layers(tmp_path / "some.onnx") == everything - set(selective.left_in_float)
    assert len(everything & set(selective.left_in_float)) == 6  # stem, 2 x 2 inside, last


def test_per_channel_has_a_scale_for_each_channel(
    plain: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    recipe = plan(plain, profile("cnn"))["int8_static"]
    make(plain, recipe, tmp_path / "m.onnx")
    graph = Graph(onnx.load(tmp_path / "m.onnx"))
    for node in graph.nodes:
        if node.op_type == "Conv":
            weights = graph.producers[node.input[1]]
            values, scale = (numpy_helper.to_array(graph.constants[n]) for n in weights.input[:2])
            assert scale.shape == (values.shape[0],)
            assert values.dtype == np.int8
            assert np.abs(values.astype(int)).max() <= (64 if recipe.reduce_range else 127)


def test_logits_are_not_rounded(excited: Classifier, profile: Profiles, tmp_path: Path) -> None:
    make(excited, plan(excited, profile("cnn"))["int8_static"], tmp_path / "m.onnx")
    graph = Graph(onnx.load(tmp_path / "m.onnx"))
    (logits,) = graph.outputs
    last = graph.producers[logits]
    assert last.op_type == "Gemm"
    assert graph.producers[last.input[0]].op_type == "DequantizeLinear"


def test_recurrent_layers_are_quantized_dynamically(
    recurrent: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    made = make(recurrent, plan(recurrent, profile("rnn"))["int8_dynamic"], tmp_path / "m.onnx")
    operators = {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}
    assert "DynamicQuantizeLSTM" in operators
    assert made.size_bytes < 0.33 * recurrent.path.stat().st_size
    drop = accuracy(recurrent.path, recurrent.prepared) - accuracy(
        tmp_path / "m.onnx", recurrent.prepared
    )
    assert abs(100 * drop) <= 2


def test_says_what_stayed_in_float(
    recurrent: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    recipes = plan(recurrent, profile("rnn"))
    made = make(recurrent, recipes["int8_static"], tmp_path / "m.onnx")
    assert made.note == "98% of the weights stay in FP32, most of them in LSTM nodes."
    assert make(recurrent, recipes["int8_dynamic"], tmp_path / "d.onnx").note == ""


def test_a_silent_no_op_is_a_failure(
    recurrent: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    net = GraphBuilder()
    model = net.model({"images": ["batch", 8, 8]}, recurrent_features(net), 96)
    onnx.save(model, tmp_path / "lstm.onnx")
    classifier = replace(recurrent, path=tmp_path / "lstm.onnx")
    recipe = plan(classifier, profile("rnn"))["int8_static"]
    with pytest.raises(BadInput) as failure:
        make(classifier, recipe, tmp_path / "out" / "m.onnx")
    assert str(failure.value) == (
        "int8_static found nothing to quantize: all weights are in LSTM nodes, which it leaves "
        "in FP32."
    )
    assert not (tmp_path / "out").exists()


def test_a_model_without_weights_is_a_failure_of_every_method(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    net = GraphBuilder()
    output = net.add("Flatten", net.add("GlobalAveragePool", "images"), axis=1)
    onnx.save(net.model({"images": ["batch", 1, 16, 16]}, output, 1), tmp_path / "m.onnx")
    classifier = replace(excited, path=tmp_path / "m.onnx")
    for recipe in plan(classifier, profile("other")).values():
        with pytest.raises(BadInput, match="nothing to quantize: the model has no FP32 weights"):
            make(classifier, recipe, tmp_path / "out.onnx")


def test_inputs_and_outputs_keep_name_type_and_shape(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    before = onnx.load(excited.path).graph
    for recipe in plan(excited, profile("cnn")).values():
        make(excited, recipe, tmp_path / "m.onnx")
        after = onnx.load(tmp_path / "m.onnx").graph
        for old, new in ((before.input, after.input), (before.output, after.output)):
            assert [value.name for value in old] == [value.name for value in new]
            assert [value.type for value in old] == [value.type for value in new]
        assert after.input[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_a_fixed_batch_goes_through_every_method(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    model = onnx.load(excited.path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 6
    onnx.save(model, tmp_path / "fixed.onnx")
    classifier = replace(excited, path=tmp_path / "fixed.onnx")
    for recipe in plan(classifier, profile("cnn")).values():
        assert make(classifier, recipe, tmp_path / "m.onnx").quantized_nodes > 0


def test_a_tensor_of_unknown_type_is_taken_for_float(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    net = GraphBuilder()
    regular = net.constant(100 * np.eye(16, dtype=np.float32))
    x = net.add("Add", net.conv("images", 1, 8), regular)
    x = net.add("Inverse", x, domain="com.microsoft")
    axes = net.constant(np.array([2, 3]))
    x = net.add(
        "MatMul", net.add("ReduceMean", x, axes, keepdims=0), net.constant(net.normal(8, 64))
    )
    logits = net.add("MatMul", net.add("Relu", x), net.constant(net.normal(64, 10)))
    model = net.model({"images": ["batch", 1, 16, 16]}, logits, 10)
    onnx.save(model, tmp_path / "m.onnx")
    classifier = replace(excited, path=tmp_path / "m.onnx")
    recipe = plan(classifier, profile("other"))["int8_dynamic"]
    assert make(classifier, recipe, tmp_path / "out.onnx").quantized_nodes == 2


def test_branches_of_a_conditional_keep_what_they_read(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    net = GraphBuilder()
    net.conv("images", 1, 8)
    x = net.add("Flatten", net.add("GlobalAveragePool", "tensor_0"), axis=1)
    total = net.add("ReduceSum", "images", keepdims=0)
    positive = net.add("Greater", total, net.constant(np.array(0, np.float32)))
    branches = []
    for name in ("then_branch", "else_branch"):
        product = onnx.helper.make_node("MatMul", [x, net.constant(net.normal(8, 10))], [name])
        output = onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        branches.append(onnx.helper.make_graph([product], name, [], [output]))
    logits = net.add("If", positive, then_branch=branches[0], else_branch=branches[1])
    onnx.save(net.model({"images": ["batch", 1, 16, 16]}, logits, 10), tmp_path / "m.onnx")
    classifier = replace(excited, path=tmp_path / "m.onnx")
    for recipe in plan(classifier, profile("other")).values():
        assert make(classifier, recipe, tmp_path / "out.onnx").quantized_nodes > 0


AGAIN = """
import sys
from pathlib import Path
from core.quantization import make_candidate
from core.records import Deployment, PreparedData, Recipe, from_json
model, output, prepared, *recipes = sys.argv[1:]
for text in recipes:
    recipe = from_json(Recipe, text)
    make_candidate(
        Path(model), recipe, from_json(PreparedData, prepared), Path(output) / recipe.id,
        0, Deployment(), lambda fraction, words: None,
    )
"""


def test_the_same_recipe_gives_the_same_bytes(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    recipes = plan(excited, profile("cnn"))
    # One has to calibrate, in a process that orders its sets differently; the last finds ranges.
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "inputs").symlink_to(Path(excited.prepared.folder) / "inputs")
    elsewhere = replace(excited.prepared, folder=str(fresh))
    subprocess.run(
        [
            *(sys.executable, "-c", AGAIN, excited.path, tmp_path / "again", to_json(elsewhere)),
            *(to_json(recipe) for recipe in recipes.values()),
        ],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    for name, recipe in recipes.items():
        again = hashlib.sha256((tmp_path / "again" / name).read_bytes()).hexdigest()
        for _ in range(2):
            made = make(excited, recipe, tmp_path / "here", batch_size=1)
            assert made.sha256 == again, name
