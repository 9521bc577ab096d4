"""The predicted sizes against the files that the recipes really make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.intake import profile_model
from core.quantization import make_candidate, plan_recipes
from core.records import (
    DatasetProfile,
    Deployment,
    Method,
    ModelProfile,
    PreparedData,
    Splits,
)
from tests.intake import networks
from tests.intake.net import Net, save

LENGTH = 12


def wide_cnn() -> onnx.ModelProto:
    net = Net()
    x = net.op("Relu", net.conv("images", 3, 32, 3, 2))
    for width in (32, 64, 128):
        x = net.op("Relu", net.conv(x, width, width * 2, 3, 2))
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.model({"images": networks.IMAGE}, {net.gemm(x, 256, 100): ["batch", 100]})


def noise(profile: ModelProfile, folder: Path) -> PreparedData:
    random = np.random.default_rng(0)
    (folder / "inputs").mkdir()
    for position, value in enumerate(profile.inputs):
        sizes = [size if isinstance(size, int) else LENGTH for size in value.shape[1:]]
        whole = value.dtype == "int64"
        samples = random.integers(0, 100, (8, *sizes)) if whole else random.random((8, *sizes))
        kind = np.int64 if whole else np.float32
        np.save(folder / "inputs" / f"{position}.npy", samples.astype(kind))
    np.save(folder / "labels.npy", np.arange(8) % 2)
    return PreparedData(
        folder=str(folder),
        input_names=tuple(value.name for value in profile.inputs),
        profile=DatasetProfile(
            sha256="",
            kind="npz",
            samples=8,
            classes=2,
            class_names=("a", "b"),
            class_counts=(4, 4),
            splits=Splits(calibration=2, search=4, confirm=2),
            preprocessing=None,
        ),
    )


@pytest.mark.parametrize(
    ("build", "methods"),
    [
        (wide_cnn, ("float16", "int8_dynamic", "int8_static")),
        (networks.mobilenet, ("int8_dynamic", "int8_static", "int8_weight_only")),
        (networks.vision_transformer, ("int8_dynamic", "int8_static", "int8_weight_only")),
        (networks.mixer, ("int8_dynamic", "int8_static")),
        (networks.lstm_text, ("int8_dynamic", "int8_static", "int8_weight_only")),
        (networks.multilayer_perceptron, ("float16", "int8_dynamic", "int8_static")),
    ],
)
def test_sizes_are_within_a_tenth(
    build: Callable[[], onnx.ModelProto], methods: tuple[Method, ...], tmp_path: Path
) -> None:
    path = save(build(), tmp_path)
    profile = profile_model(path)
    prepared = noise(profile, tmp_path)
    recipes = plan_recipes(path, profile, ("avx2",), "x86_64", methods, 2)
    plain = {recipe.method: recipe for recipe in recipes if recipe.id == recipe.method}
    assert set(plain) == set(methods)
    for method, recipe in plain.items():
        output = tmp_path / f"{method}.onnx"
        make_candidate(path, recipe, prepared, output, 0, Deployment(), lambda _, __: None)
        real = output.stat().st_size
        assert profile.predicted_size_bytes[method] == pytest.approx(real, rel=0.1), method


def test_an_embedding_stays_in_float_where_the_recipe_leaves_it(tmp_path: Path) -> None:
    net = Net()
    x = net.op("ReduceMean", net.op("Gather", net.weight(9000, 16), "ids"), axes=[1], keepdims=0)
    model = net.model({"ids": ["batch", "length"]}, {net.gemm(x, 16, 4): ["batch", 4]})
    path = save(model, tmp_path)
    sizes = profile_model(path).predicted_size_bytes
    assert sizes["int8_dynamic"] == pytest.approx(path.stat().st_size / 4, rel=0.05)
    assert sizes["int8_static"] == pytest.approx(path.stat().st_size, rel=0.05)


def test_gru_weights_are_not_touched_by_int8(tmp_path: Path) -> None:
    path = save(networks.gru_in_loop(), tmp_path)
    sizes = profile_model(path).predicted_size_bytes
    assert sizes["int8_dynamic"] > 0.9 * path.stat().st_size
    assert sizes["float16"] < 0.6 * path.stat().st_size


def test_weights_shared_by_layers_shrink_once(tmp_path: Path) -> None:
    net = Net()
    shared = net.weight(128, 128)
    x = "x"
    for _ in range(4):
        x = net.op("Relu", net.op("MatMul", x, shared))
    path = save(net.model({"x": ["batch", 128]}, {x: ["batch", 128]}), tmp_path)
    profile = profile_model(path)
    assert profile.parameters == 128 * 128
    assert profile.macs == 4 * 128 * 128
    assert profile.predicted_size_bytes["int8_dynamic"] > 128 * 128
