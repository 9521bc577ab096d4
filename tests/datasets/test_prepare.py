from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import sandbox
from core.datasets import (
    applicable_presets,
    prepare,
    prepare_calibration,
    preset_for,
    profile_dataset,
)
from core.records import BadInput, TensorInfo


def test_digits_become_the_inputs_of_their_model(digits: Path, digits_model, tmp_path: Path):
    preprocessing = preset_for("zero_one", digits_model.inputs[0])
    heard: list[float] = []
    prepared = prepare(
        digits, digits_model, preprocessing, tmp_path, 5, lambda part, _: heard.append(part)
    )
    assert prepared.input_names == ("x",)
    assert prepared.profile == profile_dataset(digits, digits_model, preprocessing, 5)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1)

    inputs, labels = sandbox.load_inputs(prepared)["x"], sandbox.load_labels(prepared)
    assert (inputs.shape, inputs.dtype) == ((300, 1, 8, 8), np.float32)
    assert (labels.shape, labels.dtype) == ((300,), np.int64)
    # Each picture is there as often as on disk, with its label, divided by 255.
    on_disk = [
        (np.asarray(Image.open(file)).tobytes(), int(file.parent.name))
        for file in digits.rglob("*.png")
    ]
    pixels = np.rint(inputs * 255).astype(np.uint8)
    np.testing.assert_allclose(inputs, pixels / 255, atol=1e-7)
    written = [(row.tobytes(), label) for row, label in zip(pixels, labels, strict=True)]
    assert sorted(written) == sorted(on_disk)
    for name in ("calibration", "search", "confirm"):
        assert set(sandbox.load_labels(prepared, name)) == set(range(10))


def test_equal_arguments_write_equal_bytes_in_and_out_of_the_sandbox(
    digits, digits_model, tmp_path, zip_folder
):
    preprocessing = preset_for("keras_minus1_1", digits_model.inputs[0])
    archive = zip_folder(digits, tmp_path / "digits.zip")
    here = prepare(digits, digits_model, preprocessing, tmp_path / "a", 1)
    there = sandbox.call(prepare, archive, digits_model, preprocessing, tmp_path / "b", 1)
    other = prepare(digits, digits_model, preprocessing, tmp_path / "c", 2)
    names = ("inputs/0.npy", "labels.npy")
    a, b, c = (
        [(Path(prepared.folder) / name).read_bytes() for name in names]
        for prepared in (here, there, other)
    )
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    ("dtype", "preset", "expected"),
    [
        ("float16", "zero_one", np.float16),
        ("double", "zero_one", np.float64),
        ("uint8", "zero_255", np.uint8),
        ("int32", "zero_255", np.int32),
    ],
)
def test_pictures_are_written_in_the_inputs_own_type(
    digits, make_model, tmp_path, dtype, preset, expected
):
    model = make_model("N", "H", "W", 3, dtype=dtype)
    preprocessing = replace(preset_for(preset, model.inputs[0]), height=10, width=12)
    inputs = sandbox.load_inputs(prepare(digits, model, preprocessing, tmp_path, 0))["x"]
    assert (inputs.shape, inputs.dtype) == ((300, 10, 12, 3), expected)
    assert inputs.max() == pytest.approx(1 if preset == "zero_one" else 255)


def test_arrays_keep_their_values_and_order(npz, make_model, tmp_path: Path):
    rng = np.random.default_rng(0)
    mask = TensorInfo(name="mask", dtype="int64", shape=("N", "length"))
    model = make_model("N", 4, outputs=2, more_inputs=(mask,))
    x, masks, labels = rng.random((50, 4)), np.arange(150).reshape(50, 3), np.arange(50) % 2
    unused = preset_for("zero_one", TensorInfo(name="i", dtype="float", shape=("N", 3, 8, 8)))
    prepared = prepare(npz(x=x, mask=masks.astype(np.uint8), y=labels), model, unused, tmp_path, 0)
    assert prepared.profile.preprocessing is None
    assert prepared.input_names == ("x", "mask")
    inputs = sandbox.load_inputs(prepared)
    origin = inputs["mask"][:, 0] // 3
    assert inputs["mask"].dtype == np.int64
    assert sorted(origin) == list(range(50))
    np.testing.assert_array_equal(inputs["x"], x[origin].astype(np.float32))
    np.testing.assert_array_equal(sandbox.load_labels(prepared), labels[origin])


def test_copies_of_calibration_samples_are_not_in_confirm(npz, make_model, tmp_path: Path):
    values = np.repeat(np.random.default_rng(0).random((60, 4)), 3, axis=0)
    path = npz(x=values, labels=np.repeat(np.arange(60) % 2, 3))
    prepared = prepare(path, make_model("N", 4, outputs=2), None, tmp_path, 0)
    parts = [
        {row.tobytes() for row in sandbox.load_inputs(prepared, name)["x"]}
        for name in ("calibration", "search", "confirm")
    ]
    assert sum(len(part) for part in parts) == 60
    assert len(set.union(*parts)) == 60


def test_calibration_alone_under_every_preset(digits: Path, digits_model, tmp_path: Path):
    presets = applicable_presets(digits_model.inputs[0])
    tries = sandbox.call(prepare_calibration, digits, digits_model, presets, tmp_path / "tries", 4)
    assert list(tries) == list(presets)
    for name, few in tries.items():
        whole = prepare(digits, digits_model, presets[name], tmp_path / name, 4)
        assert few.profile.preprocessing == presets[name]
        for split in ("calibration", None):
            np.testing.assert_array_equal(
                sandbox.load_inputs(few, split)["x"],
                sandbox.load_inputs(whole, "calibration")["x"],
            )
            np.testing.assert_array_equal(
                sandbox.load_labels(few, split), sandbox.load_labels(whole, "calibration")
            )


def test_there_is_nothing_to_find_for_arrays(npz, make_model, tmp_path: Path):
    path = npz(x=np.random.default_rng(0).random((20, 4)), labels=np.arange(20) % 2)
    assert prepare_calibration(path, make_model("N", 4, outputs=2), {}, tmp_path, 0) == {}


def test_pictures_need_a_preprocessing(digits: Path, digits_model, tmp_path: Path):
    with pytest.raises(BadInput, match="Choose how the pictures become model inputs"):
        prepare(digits, digits_model, None, tmp_path, 0)
    senseless = replace(preset_for("zero_one", digits_model.inputs[0]), std=(0.0,))
    with pytest.raises(BadInput, match="no deviation 0"):
        prepare(digits, digits_model, senseless, tmp_path, 0)
