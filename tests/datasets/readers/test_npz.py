from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.datasets.readers import open_source, read_samples
from core.datasets.samples import Arrays
from core.records import BadInput, TensorInfo

X = np.arange(12 * 3 * 4 * 5, dtype=np.float32).reshape(12, 3, 4, 5)
Y = np.arange(12) % 3


@pytest.fixture
def read(tmp_path: Path):
    def reader(path: Path, model) -> Arrays:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        samples = read_samples(open_source(path, scratch), model)
        assert isinstance(samples, Arrays)
        return samples

    return reader


@pytest.fixture
def model(make_model):
    return make_model("N", 3, 4, 5, outputs=3)


@pytest.mark.parametrize("label", ["labels", "label", "y", "Y"])
def test_one_input_takes_the_one_array_whatever_its_name(npz, read, model, label):
    samples = read(npz(**{"anything": X, label: Y}), model)
    assert samples.kind == "npz"
    np.testing.assert_array_equal(samples.columns[0], X)
    assert samples.labels == tuple(str(value) for value in Y)
    assert isinstance(samples.columns[0], np.memmap)


def test_inputs_are_found_by_name_and_others_told(npz, read, make_model):
    mask = TensorInfo(name="y", dtype="int64", shape=("N", "length"))
    model = make_model("N", 3, 4, 5, outputs=3, more_inputs=(mask,))
    masks = np.ones((12, 7), dtype=np.int32)
    samples = read(npz(labels=Y, y=masks, x=X, ids=Y), model)
    np.testing.assert_array_equal(samples.columns[0], X)
    np.testing.assert_array_equal(samples.columns[1], masks)
    assert "not used: ids" in samples.findings[0].sentence


def test_names_with_slashes_and_a_zip_around_it(npz, read, make_model, tmp_path: Path):
    path = npz(labels=Y, **{"serving/input:0": X})
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.write(path, "export/data.npz")
    entry = TensorInfo(name="serving/input:0", dtype="float", shape=("N", 3, 4, 5))
    model = replace(make_model("N", outputs=3), inputs=(entry,))
    np.testing.assert_array_equal(read(tmp_path / "outer.zip", model).columns[0], X)


@pytest.mark.parametrize(
    "labels",
    [
        Y.astype(np.uint8),
        Y.astype(np.float64),
        Y.reshape(-1, 1),
        np.eye(3)[Y],
        np.eye(3, dtype=bool)[Y],
        Y.astype(str),
        Y.astype("S1"),
    ],
)
def test_labels_in_many_forms(npz, read, model, labels):
    assert read(npz(x=X, labels=labels), model).labels == tuple(str(value) for value in Y)


@pytest.mark.parametrize("given", [np.uint8, np.int16, np.float64, np.float16, np.bool_])
def test_float_inputs_take_any_numbers(npz, read, model, given):
    assert read(npz(x=X.astype(given), labels=Y), model).columns[0].dtype == given


@pytest.mark.parametrize(
    ("dtype", "array", "fits"),
    [
        ("uint8", np.full((12, 2), 255), True),
        ("uint8", np.full((12, 2), 256), False),
        ("uint8", np.full((12, 2), -1), False),
        ("int64", np.ones((12, 2), np.int32), True),
        ("int64", np.ones((12, 2)), False),
        ("bool", np.ones((12, 2), bool), True),
        ("bool", np.ones((12, 2), np.uint8), False),
        ("float", np.ones((12, 2), complex), False),
        ("float", np.full((12, 2), "a"), False),
        ("string", np.full((12, 2), "a"), False),
    ],
)
def test_integer_and_other_inputs_take_what_they_can_hold(
    npz, read, make_model, dtype, array, fits
):
    model = make_model("N", 2, outputs=3, dtype=dtype)
    path = npz(x=array, labels=Y)
    if fits:
        assert len(read(path, model).columns[0]) == 12
    else:
        with pytest.raises(BadInput, match=r"cannot take|no samples can be given"):
            read(path, model)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((12, 4, 5, 3), r"channels last, so transpose it with transpose\(0, 3, 1, 2\)"),
        ((12, 3, 4), "lacks an axis"),
        ((3, 4, 5), "lacks an axis"),
        ((12, 3, 5, 4), "one row per sample"),
        ((12, 60), "one row per sample"),
        ((), "single value"),
    ],
)
def test_shapes_that_do_not_fit_are_one_sentence(npz, read, model, shape, words):
    with pytest.raises(BadInput, match=words):
        read(npz(x=np.zeros(shape, np.float32), labels=Y), model)


def test_channels_first_for_a_model_of_channels_last(npz, read, make_model):
    model = make_model("N", 4, 5, 3, outputs=3)
    with pytest.raises(BadInput, match=r"channels first, so transpose it with .*\(0, 2, 3, 1\)"):
        read(npz(x=X, labels=Y), model)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "no array named labels"),
        ({"labels": Y}, "no array for the model's input x; besides the labels it holds nothing"),
        ({"a": X, "b": X, "labels": Y}, "it holds a, b"),
        ({"x": X, "labels": Y[:-1]}, "same number of samples: x 12, labels 11"),
        ({"x": X, "labels": Y + 0.5}, "whole numbers"),
        ({"x": X, "labels": np.full(12, np.nan)}, "fractions or NaN"),
        ({"x": X, "labels": np.ones((12, 3))}, "not one-hot"),
        ({"x": X, "labels": np.ones((12, 2, 2))}, "one class per sample"),
        ({"x": X, "labels": Y.astype("datetime64[D]")}, "whole numbers or names"),
        ({"x": X.astype(object), "labels": Y}, "array x holds pickled Python objects"),
        ({"x": X, "labels": Y.astype(object)}, "array labels holds pickled Python objects"),
    ],
)
def test_arrays_that_cannot_be_used_are_one_sentence(npz, read, model, arrays, words):
    with pytest.raises(BadInput, match=words):
        read(npz(**arrays), model)


def test_a_header_that_promises_more_than_there_is_loads_nothing(tmp_path: Path, read, model):
    member = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**9, 3, 4, 5)}
    np.lib.format.write_array_header_1_0(member, header)
    labels = io.BytesIO()
    np.save(labels, Y)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", member.getvalue() + b"\0" * 1000)
        archive.writestr("labels.npy", labels.getvalue())
    with pytest.raises(BadInput, match="array x is damaged or cut short"):
        read(tmp_path / "data.npz", model)


def test_classes_beside_a_packed_npz_are_read(npz, read, model, tmp_path: Path):
    folder = tmp_path / "export"
    folder.mkdir()
    npz(x=X, labels=Y).rename(folder / "data.npz")
    (folder / "classes.txt").write_text("c\nb\na\n")
    assert read(folder, model).listed_classes == ("c", "b", "a")
