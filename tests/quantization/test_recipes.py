from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.quantization import plan_recipes
from core.quantization.preprocess import preprocess
from core.records import Method, ModelProfile, Recipe, from_json, to_json
from tests.quantization.digits import Classifier, GraphBuilder

FLAGS = ("avx2", "avx512_vnni")
STATIC = ["int8_static", "int8_static_selective", "int8_static_side_branches"]
FIXTURES = Path(__file__).parents[1] / "fixtures"
Profiles = Callable[..., ModelProfile]


def ids(recipes: tuple[Recipe, ...]) -> list[str]:
    return [recipe.id for recipe in recipes]


def by_id(recipes: tuple[Recipe, ...]) -> dict[str, Recipe]:
    return {recipe.id: recipe for recipe in recipes}


def test_a_cnn_gets_all_methods_cheap_ones_first(excited: Classifier, profile: Profiles) -> None:
    recipes = plan_recipes(excited.path, profile("cnn"), FLAGS, "x86_64", None, 100)
    assert ids(recipes) == ["float16", "int8_dynamic", *STATIC]
    static = recipes[2]
    assert (static.activation_type, static.weight_type) == ("uint8", "int8")
    assert static.per_channel
    assert not static.reduce_range
    assert static.calibration_samples == 100
    for selective in recipes[3:]:
        assert replace(selective, id=static.id, left_in_float=(), note="") == static
    assert all(from_json(Recipe, to_json(recipe)) == recipe for recipe in recipes)


def test_without_vnni_weights_keep_to_seven_bits(excited: Classifier, profile: Profiles) -> None:
    recipes = by_id(plan_recipes(excited.path, profile("cnn"), ("avx2",), "x86_64", None, 100))
    assert recipes["int8_static"].reduce_range
    assert recipes["int8_static_side_branches"].reduce_range


def test_arm_gets_signed_activations(excited: Classifier, profile: Profiles) -> None:
    static, *_ = plan_recipes(
        excited.path, profile("cnn"), ("asimddp",), "aarch64", ("int8_static",), 100
    )
    assert (static.activation_type, static.weight_type) == ("int8", "int8")
    assert not static.reduce_range


def test_leaves_side_branches_and_outer_layers_but_not_the_work(
    excited: Classifier, profile: Profiles
) -> None:
    recipes = plan_recipes(excited.path, profile("cnn"), FLAGS, "x86_64", None, 100)
    nodes = {node.name: node for node in preprocess(excited.path).graph.node}
    outer, selective = (recipe.left_in_float for recipe in recipes[-2:])
    assert [nodes[name].op_type for name in outer] == ["Conv", "Sigmoid", "Mul", "Gemm"]
    assert set(outer) < set(selective)
    left = [nodes[name].op_type for name in selective]
    assert left.count("Conv") == 1 + 2 * 2
    assert "GlobalAveragePool" not in left
    kept = [n for n in nodes.values() if n.op_type == "Conv" and n.name not in selective]
    assert len(kept) > left.count("Conv")


@pytest.mark.parametrize(
    ("pool", "expected", "words"),
    [
        (False, ["Conv", "Relu", "Gemm"], "Leaves the first layer and the last layer in FP32"),
        (True, ["Gemm"], "Leaves the last layer in FP32"),
    ],
)
def test_a_plain_cnn_leaves_its_stem_and_a_small_classifier(
    tmp_path: Path, profile: Profiles, pool: bool, expected: list[str], words: str
) -> None:
    net = GraphBuilder()
    x = net.add("Relu", net.conv("images", 1, 16))
    if pool:
        x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.conv(net.add("Relu", net.conv(x, 16, 32)), 32, 64)
    x = net.add("Flatten", net.add("GlobalAveragePool", x), axis=1)
    logits = net.add("Gemm", x, net.constant(net.normal(64, 10)))
    onnx.save(net.model({"images": ["batch", 1, 16, 16]}, logits, 10), tmp_path / "m.onnx")
    _, selective = plan_recipes(
        tmp_path / "m.onnx", profile("cnn"), FLAGS, "x86_64", ("int8_static",), 10
    )
    nodes = {node.name: node.op_type for node in preprocess(tmp_path / "m.onnx").graph.node}
    assert [nodes[name] for name in selective.left_in_float] == expected
    assert selective.note.startswith(words)


def test_a_large_classifier_is_quantized_even_selectively(
    tmp_path: Path, profile: Profiles
) -> None:
    net = GraphBuilder()
    x = net.conv(net.add("Relu", net.conv("images", 1, 16)), 16, 64)
    x = net.add("Flatten", net.add("GlobalAveragePool", x), axis=1)
    logits = net.add("Gemm", x, net.constant(net.normal(64, 1000)))
    onnx.save(net.model({"images": ["batch", 1, 16, 16]}, logits, 1000), tmp_path / "m.onnx")
    selective = plan_recipes(tmp_path / "m.onnx", profile("cnn"), FLAGS, "x86_64", None, 10)[-1]
    assert selective.id == "int8_static_selective"
    assert not any("gemm" in name for name in selective.left_in_float)


def test_dynamic_on_a_cnn_has_unsigned_weights_and_a_warning(
    excited: Classifier, profile: Profiles
) -> None:
    dynamic = by_id(plan_recipes(excited.path, profile("cnn"), FLAGS, "x86_64", None, 9))[
        "int8_dynamic"
    ]
    assert dynamic.weight_type == "uint8"
    assert "Conv" in dynamic.op_types
    assert "slower" in dynamic.note


def test_dynamic_leaves_the_few_convolutions_of_a_transformer(
    tmp_path: Path, profile: Profiles
) -> None:
    net = GraphBuilder()
    x = net.add("Flatten", net.conv("images", 1, 2, stride=2), axis=1)
    logits = net.add("MatMul", x, net.constant(net.normal(128, 10)))
    onnx.save(net.model({"images": ["batch", 1, 16, 16]}, logits, 10), tmp_path / "m.onnx")
    recipes = plan_recipes(tmp_path / "m.onnx", profile("transformer"), FLAGS, "x86_64", None, 9)
    stored = ["int8_weight_only", "int8_weight_only_blocks"]
    assert ids(recipes) == ["float16", "int8_dynamic", *stored, "int8_static"]
    dynamic = recipes[1]
    assert dynamic.weight_type == "int8"
    assert "Conv" not in dynamic.op_types
    assert "Add" not in recipes[-1].op_types


def test_a_transformer_is_fused_where_onnxruntime_knows_its_attention(profile: Profiles) -> None:
    model = FIXTURES / "transformer_texts.onnx"
    recipes = plan_recipes(model, profile("transformer"), FLAGS, "x86_64", ("int8_dynamic",), 9)
    assert ids(recipes) == ["int8_dynamic", "int8_dynamic_fused"]
    assert [recipe.fuse for recipe in recipes] == [False, True]


def test_dynamic_tries_to_leave_the_lstms_out_where_enough_is_left(
    tmp_path: Path, recurrent: Classifier, profile: Profiles
) -> None:
    almost_all_lstm = plan_recipes(recurrent.path, profile("rnn"), FLAGS, "x86_64", None, 9)
    dynamic = ["int8_dynamic", "int8_dynamic_per_layer"]
    assert [name for name in ids(almost_all_lstm) if "smooth" not in name] == [
        *("float16", *dynamic, "int8_weight_only", "int8_static")
    ]
    model = onnx.load(recurrent.path)
    head = model.graph.node[-1]
    wide = onnx.numpy_helper.from_array(np.ones((96, 200), np.float32), "wide")
    back = onnx.numpy_helper.from_array(np.ones((200, 96), np.float32), "back")
    model.graph.initializer.extend([wide, back])
    middle = onnx.helper.make_node("MatMul", [head.input[0], "wide"], ["up"], "up")
    again = onnx.helper.make_node("MatMul", ["up", "back"], ["down"], "down")
    head.input[0] = "down"
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:-1], middle, again, nodes[-1]])
    onnx.save(model, tmp_path / "m.onnx")
    recipes = plan_recipes(tmp_path / "m.onnx", profile("rnn"), FLAGS, "x86_64", None, 9)
    left_out = by_id(recipes)["int8_dynamic_without_lstms"]
    assert left_out.left_in_float == ("lstm",)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (("int8_static",), STATIC),
        (("int8_static", "float16"), ["float16", *STATIC]),
        (("int8_dynamic",), ["int8_dynamic"]),
        (("none",), []),
        ((), []),
    ],
)
def test_explicit_methods_are_all_there_is(
    excited: Classifier, profile: Profiles, methods: tuple[Method, ...], expected: list[str]
) -> None:
    recipes = plan_recipes(excited.path, profile("cnn"), FLAGS, "x86_64", methods, 100)
    assert ids(recipes) == expected


@pytest.mark.parametrize("methods", [None, ("int8_static",)])
def test_nothing_for_trees_and_for_what_is_small_already(
    excited: Classifier, profile: Profiles, methods: tuple[Method, ...] | None
) -> None:
    for known in (profile("tree_ensemble"), profile("cnn", "int8"), profile("cnn", "float16")):
        assert plan_recipes(excited.path, known, FLAGS, "x86_64", methods, 100) == ()
