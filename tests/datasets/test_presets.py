from __future__ import annotations

import pytest

from core.datasets.presets import PRESETS, applicable_presets, preset_for
from core.records import BadInput, TensorInfo


def tensor(*shape: int | str, dtype: str = "float") -> TensorInfo:
    return TensorInfo(name="x", dtype=dtype, shape=shape)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("N", 3, 224, 224), ("NCHW", "RGB", 224, 224)),
        ((1, 3, 300, 200), ("NCHW", "RGB", 300, 200)),
        (("N", 260, 240, 3), ("NHWC", "RGB", 260, 240)),
        (("N", 1, 128, 128), ("NCHW", "L", 128, 128)),
        (("N", 96, 96, 1), ("NHWC", "L", 96, 96)),
        (("N", 3, "H", "W"), ("NCHW", "RGB", 224, 224)),
        (("N", "H", "W", 3), ("NHWC", "RGB", 224, 224)),
        (("N", "C", "H", "W"), ("NCHW", "RGB", 224, 224)),
    ],
)
def test_layout_colour_and_size_follow_the_input(shape, expected):
    made = preset_for("imagenet_torchvision", tensor(*shape))
    assert (made.layout, made.color, made.height, made.width) == expected
    assert made.fit == "crop"


def test_grey_takes_the_mean_of_the_channels():
    made = preset_for("imagenet_torchvision", tensor("N", 1, 64, 64))
    assert made.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,))
    assert made.std == pytest.approx(((0.229 + 0.224 + 0.225) / 3,))


@pytest.mark.parametrize("name", PRESETS)
def test_small_inputs_are_stretched(name: str):
    made = preset_for(name, tensor("N", 3, 32, 32))
    assert (made.fit, made.crop_fraction) == ("stretch", 1.0)


def test_inputs_of_bytes_take_only_unscaled_pixels():
    entry = tensor("N", 224, 224, 3, dtype="uint8")
    made = applicable_presets(entry)
    assert list(made) == ["zero_255"]
    assert made["zero_255"].dtype == "uint8"
    with pytest.raises(BadInput, match="zero_255"):
        preset_for("imagenet_timm", entry)


@pytest.mark.parametrize("shape", [("N", 10), ("N", 4, 64, 64), ("N", 16, 3, 64, 64), ()])
def test_inputs_that_take_no_pictures_have_no_preset(shape):
    assert applicable_presets(tensor(*shape)) == {}
    with pytest.raises(BadInput, match="npz"):
        preset_for("zero_one", tensor(*shape))


def test_an_unknown_preset_is_one_sentence():
    with pytest.raises(BadInput, match="no preset nonsense"):
        preset_for("nonsense", tensor("N", 3, 224, 224))


def test_every_preset_tells_when_it_is_right():
    for info in PRESETS.values():
        assert info.title
        assert info.when.startswith("For ")
        assert info.when.endswith(".")
