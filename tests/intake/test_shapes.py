from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from core.intake import profile_model
from core.intake.folding import fold_sizes
from tests.intake import networks
from tests.intake.net import Net, save


def work(model: onnx.ModelProto, folder: Path) -> int:
    return profile_model(save(model, folder)).macs


def test_open_image_sizes_become_224(tmp_path: Path) -> None:
    net = Net()
    x = net.op("GlobalAveragePool", net.conv("x", 3, 4, 3))
    scores = net.gemm(net.op("Flatten", x), 4, 2)
    model = net.model({"x": ["batch", 3, "height", "width"]}, {scores: ["batch", 2]})
    assert work(model, tmp_path) == 224 * 224 * 4 * 3 * 9 + 4 * 2


def test_channels_may_come_last(tmp_path: Path) -> None:
    net = Net()
    x = net.op("Transpose", "x", perm=[0, 3, 1, 2])
    x = net.op("GlobalAveragePool", net.conv(x, 3, 4, 3))
    scores = net.gemm(net.op("Flatten", x), 4, 2)
    model = net.model({"x": ["batch", "height", "width", 3]}, {scores: ["batch", 2]})
    assert work(model, tmp_path) == 224 * 224 * 4 * 3 * 9 + 4 * 2


def test_open_lengths_become_128_and_the_batch_one(tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.op("Gather", net.weight(50, 8), "ids"), 8, 6)
    scores = net.op("ReduceMean", x, axes=[1], keepdims=0)
    model = net.model({"ids": ["batch", "length"]}, {scores: ["batch", 6]})
    assert work(model, tmp_path) == 128 * 8 * 6


def test_the_same_name_is_the_same_size(tmp_path: Path) -> None:
    net = Net()
    product = net.op("MatMul", "a", "b")
    model = net.model(
        {"a": ["batch", "n", 5], "b": ["batch", 5, "n"]}, {product: ["batch", "n", "n"]}
    )
    assert work(model, tmp_path) == 128 * 5 * 128


def test_raw_audio_gets_enough_samples(tmp_path: Path) -> None:
    """128 samples would not fill the first window of 400."""
    net = Net()
    weight = net.weight(8, 1, 400)
    x = net.op("Conv", "x", weight, strides=[160], kernel_shape=[400])
    scores = net.op("ReduceMean", x, axes=[2], keepdims=0)
    model = net.model({"x": ["batch", 1, "samples"]}, {scores: ["batch", 8]})
    windows = (16_384 - 400) // 160 + 1
    assert work(model, tmp_path) == windows * 8 * 400


def exported_program() -> onnx.ModelProto:
    """The shape of a Reshape as torch writes it for attention: sliced at a computed place."""
    net = Net()
    x = net.linear("x", 16, 48)
    axis = net.op("Mod", net.constant([-1], np.int64), net.constant([3], np.int64))
    before = net.op("Slice", net.op("Shape", x), net.constant([0], np.int64), axis)
    shape = net.op("Concat", before, net.constant([3, 16], np.int64), axis=0)
    q = net.op("Transpose", net.op("Reshape", x, shape), perm=[0, 2, 1, 3])
    scores = net.op("MatMul", q, net.op("Transpose", q, perm=[0, 1, 3, 2]))
    return net.model({"x": ["batch", "length", 16]}, {scores: None})


def test_shapes_that_a_program_computes_are_followed(tmp_path: Path) -> None:
    assert work(exported_program(), tmp_path) == 128 * 16 * 48 + 3 * 128 * 16 * 128


def test_following_shapes_leaves_the_operators_as_they_were(tmp_path: Path) -> None:
    model = exported_program()
    profile = profile_model(save(model, tmp_path))
    assert sum(share.nodes for share in profile.operators) == len(model.graph.node)


def test_terabytes_are_not_computed() -> None:
    net = Net()
    giant = net.op("ConstantOfShape", net.constant([10**6, 10**6], np.int64))
    mean = net.op("ReduceMean", giant)
    model = net.model({"x": ["batch", 4]}, {net.op("Add", "x", mean): ["batch", 4]})
    assert len(fold_sizes(model).graph.node) == 3


def test_microsofts_operators_are_followed(tmp_path: Path) -> None:
    profile = profile_model(save(networks.fused_transformer(depth=2, width=32), tmp_path))
    length, width = 128, 32
    layer = length * width * (3 + 1 + 4 + 4) * width + 2 * length * length * width
    assert profile.macs == 2 * layer + width * 3
    assert "unknown_work" not in {finding.code for finding in profile.findings}


@pytest.mark.parametrize(
    ("attributes", "first", "second"),
    [({}, [5, 8], [8, 3]), ({"transA": 1}, [8, 5], [8, 3]), ({"transB": 1}, [5, 8], [3, 8])],
)
def test_fused_products_are_followed(
    attributes: dict[str, int], first: list[int], second: list[int], tmp_path: Path
) -> None:
    net = Net()
    x = net.op("FusedMatMul", "x", net.weight(*second), domain="com.microsoft", **attributes)
    x = net.op("FusedGemm", x, net.weight(3, 4), activation="Relu", domain="com.microsoft")
    x = net.op("Reshape", net.op("Softmax", x), net.constant([1, 20], np.int64))
    model = net.model({"x": first}, {x: [1, 20]}, ["com.microsoft"])
    assert work(model, tmp_path) == 5 * 8 * 3 + 5 * 3 * 4


def test_what_cannot_be_known_is_said(tmp_path: Path) -> None:
    net = Net()
    found = net.op("Transpose", net.op("NonZero", "x"), perm=[1, 0])
    scores = net.linear(net.op("Cast", found, to=1), 2, 4)
    model = net.model({"x": ["batch", 6]}, {scores: ["found", 4]})
    profile = profile_model(save(model, tmp_path))
    assert profile.macs == 0
    assert "unknown_work" in {finding.code for finding in profile.findings}
    assert profile.family == "mlp"
