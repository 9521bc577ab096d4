from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.records import DatasetProfile, PreparedData, Splits
from core.sandbox import load_inputs, load_labels, split_slice

SPLITS = Splits(calibration=2, search=3, confirm=5)


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedData:
    (tmp_path / "inputs").mkdir()
    np.save(tmp_path / "inputs/0.npy", np.arange(20, dtype=np.float32).reshape(10, 2))
    np.save(tmp_path / "inputs/1.npy", np.arange(10, dtype=np.int64))
    np.save(tmp_path / "labels.npy", np.arange(10, dtype=np.int64) % 2)
    profile = DatasetProfile(
        sha256="0" * 64,
        kind="npz",
        samples=10,
        classes=2,
        class_names=("0", "1"),
        class_counts=(5, 5),
        splits=SPLITS,
        preprocessing=None,
    )
    return PreparedData(folder=str(tmp_path), input_names=("pixels", "mask"), profile=profile)


def test_the_splits_follow_one_another() -> None:
    order = range(10)
    assert order[split_slice(SPLITS, "calibration")] == range(2)
    assert order[split_slice(SPLITS, "search")] == range(2, 5)
    assert order[split_slice(SPLITS, "confirm")] == range(5, 10)
    assert order[split_slice(SPLITS, None)] == order


def test_inputs_come_by_name_and_are_not_read_at_once(prepared: PreparedData) -> None:
    inputs = load_inputs(prepared, "search")

    assert list(inputs) == ["pixels", "mask"]
    np.testing.assert_array_equal(inputs["mask"], [2, 3, 4])
    assert inputs["pixels"].shape == (3, 2)
    assert inputs["pixels"].dtype == np.float32
    assert isinstance(inputs["pixels"], np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        inputs["pixels"][0, 0] = 1


def test_labels_belong_to_the_inputs(prepared: PreparedData) -> None:
    np.testing.assert_array_equal(load_labels(prepared, "search"), [0, 1, 0])
    assert len(load_labels(prepared)) == len(load_inputs(prepared)["mask"]) == 10


def test_pickled_objects_are_not_loaded(prepared: PreparedData) -> None:
    path = Path(prepared.folder) / "labels.npy"
    np.save(path, np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        load_labels(prepared)
