from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.datasets.preprocess import check_preprocessing, fit, preprocess
from core.datasets.presets import PRESETS
from core.records import BadInput, Preprocessing

TORCHVISION = PRESETS["imagenet_torchvision"].preprocessing
STRETCH = PRESETS["zero_one"].preprocessing


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256), (90, 300), (333, 257)])
def test_imagenet_is_what_torchvision_does(size: tuple[int, int], noise):
    image = Image.fromarray(noise(3, size[1], size[0]))

    # By hand: Resize(256), CenterCrop(224), ToTensor(), Normalize(mean, std)
    width, height = image.size
    if width <= height:
        resized = image.resize((256, int(256 * height / width)), Image.BILINEAR)
    else:
        resized = image.resize((int(256 * width / height), 256), Image.BILINEAR)
    top = round((resized.height - 224) / 2.0)
    left = round((resized.width - 224) / 2.0)
    crop = np.asarray(resized)[top : top + 224, left : left + 224].astype(np.float64)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = ((crop / 255 - mean) / std).transpose(2, 0, 1)

    result = preprocess(image, TORCHVISION)
    assert result.dtype == np.float32
    assert result.shape == (3, 224, 224)
    np.testing.assert_allclose(result, expected, atol=2e-6)


def test_timm_crops_ninety_percent_of_a_bicubic_resize(noise):
    image = Image.fromarray(noise(3, 300, 400))
    timm = PRESETS["imagenet_timm"].preprocessing
    resized = image.resize((248 * 400 // 300, 248), Image.BICUBIC)
    left = round((resized.width - 224) / 2)
    expected = resized.crop((left, 12, left + 224, 236))
    np.testing.assert_array_equal(np.asarray(fit(image, timm)), np.asarray(expected))


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    out_w=st.integers(1, 96),
    out_h=st.integers(1, 96),
    fraction=st.floats(0.05, 1.0),
    how=st.sampled_from(["crop", "stretch"]),
)
@settings(max_examples=150, deadline=None)
def test_any_picture_becomes_exactly_the_size_asked_for(width, height, out_w, out_h, fraction, how):
    image = Image.new("L", (width, height), 200)
    wanted = replace(STRETCH, width=out_w, height=out_h, fit=how, crop_fraction=fraction)
    result = fit(image, wanted)
    assert result.size == (out_w, out_h)
    assert np.asarray(result).min() == 200  # nothing was cut beyond the picture's edge


@pytest.mark.parametrize("preset", PRESETS)
def test_a_picture_of_the_inputs_size_is_not_resized(preset: str, noise):
    image = Image.fromarray(noise(4, 224, 224))
    assert fit(image, PRESETS[preset].preprocessing) is image


def test_keras_scales_to_minus_one_and_one():
    keras = replace(PRESETS["keras_minus1_1"].preprocessing, height=1, width=2, layout="NHWC")
    image = Image.fromarray(np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8))
    np.testing.assert_allclose(preprocess(image, keras), [[[-1] * 3, [1] * 3]], atol=1e-6)


def test_layout_colour_and_bytes():
    pixels = np.array([[[10, 20, 30], [40, 50, 60]]], dtype=np.uint8)
    image = Image.fromarray(pixels)
    raw = replace(STRETCH, height=1, width=2, dtype="uint8")
    assert preprocess(image, raw).dtype == np.uint8
    np.testing.assert_array_equal(preprocess(image, raw), pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(preprocess(image, replace(raw, layout="NHWC")), pixels)
    swapped = preprocess(image, replace(raw, layout="NHWC", color="BGR"))
    np.testing.assert_array_equal(swapped, pixels[:, :, ::-1])
    grey = preprocess(image, replace(raw, color="L"))
    np.testing.assert_array_equal(grey, np.asarray(image.convert("L"))[np.newaxis])


def test_mean_and_deviation_follow_the_order_of_the_colours():
    image = Image.fromarray(np.array([[[10, 20, 30]]], dtype=np.uint8))
    caffe = Preprocessing(
        preset="custom", color="BGR", height=1, width=1, scale=1.0, mean=(30, 20, 10), std=(1, 2, 4)
    )
    np.testing.assert_array_equal(preprocess(image, caffe), np.zeros((3, 1, 1)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 0}, "between 1 and"),
        ({"width": 100_000}, "between 1 and"),
        ({"crop_fraction": 0.0}, "crop fraction"),
        ({"mean": (0.5, 0.5)}, "one mean"),
        ({"std": (1.0, 0.0, 1.0)}, "no deviation 0"),
        ({"scale": float("nan")}, "must be numbers"),
        ({"color": "L"}, "L has 1 channel:"),
    ],
)
def test_senseless_settings_are_one_sentence(change: dict[str, object], words: str):
    with pytest.raises(BadInput, match=words):
        check_preprocessing(replace(TORCHVISION, **change))


def test_every_preset_is_sound():
    for name, info in PRESETS.items():
        check_preprocessing(info.preprocessing)
        assert info.preprocessing.preset == name
