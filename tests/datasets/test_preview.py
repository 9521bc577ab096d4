from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import sandbox
from core.datasets import preset_for, preview
from core.records import BadInput, TensorInfo


def test_previews_come_from_all_over_the_dataset(digits: Path, digits_model, tmp_path: Path):
    preprocessing = preset_for("keras_minus1_1", digits_model.inputs[0])
    samples = sandbox.call(preview, digits, preprocessing, tmp_path, 6)
    labels = [sample.label for sample in samples]
    assert (labels[0], labels[-1], len(set(labels))) == ("0", "9", 6)
    for sample in samples:
        before, after = Image.open(sample.original), Image.open(sample.preprocessed)
        assert (before.mode, before.size) == ("RGB", (8, 8))
        assert (after.mode, after.size) == ("L", (8, 8))
        assert -1 <= sample.minimum < sample.mean < sample.maximum <= 1


def test_crops_and_swapped_colours_can_be_seen(tmp_path: Path, save):
    wide = np.zeros((100, 300, 3), dtype=np.uint8)
    wide[:, :100] = (255, 255, 255)  # outside the crop
    wide[:, 100:200] = (200, 10, 10)
    wide[:10, 100:200] = 0
    for label in ("a", "b"):
        save(wide, tmp_path / "data" / label / "1.png")
    entry = TensorInfo(name="x", dtype="float", shape=("N", 100, 100, 3))
    right = preset_for("imagenet_torchvision", entry)
    swapped = type(right)(preset="custom", color="BGR", height=100, width=100, crop_fraction=1.0)
    for preprocessing, strongest in ((right, 0), (swapped, 2)):
        sample, _ = preview(tmp_path / "data", preprocessing, tmp_path / "out")
        shown = np.asarray(Image.open(sample.preprocessed))
        assert shown.shape == (100, 100, 3)
        assert shown.min() == 0
        assert shown.max() == 255
        assert shown[60, 50].argmax() == strongest
        assert np.ptp(shown[60, :, strongest]) <= 1  # nothing of the white part is left


def test_originals_are_shown_no_larger_than_a_page_needs(tmp_path: Path, noise, save):
    for label in ("a", "b"):
        save(noise(1, 900, 1200), tmp_path / "data" / label / "1.jpg")
    (tmp_path / "data" / "a" / "2.jpg").write_text("damaged")
    entry = TensorInfo(name="x", dtype="float", shape=("N", 3, 224, 224))
    samples = preview(tmp_path / "data", preset_for("zero_one", entry), tmp_path / "out")
    assert [Image.open(sample.original).size for sample in samples] == [(512, 384)] * 2


def test_arrays_have_no_preview(npz, digits_model, tmp_path: Path):
    path = npz(x=np.zeros((12, 1, 8, 8), np.float32), labels=np.arange(12))
    preprocessing = preset_for("zero_one", digits_model.inputs[0])
    assert preview(path, preprocessing, tmp_path / "out") == ()


def test_bad_data_and_settings_are_one_sentence(tmp_path: Path, digits: Path):
    entry = TensorInfo(name="x", dtype="float", shape=("N", 1, 8, 8))
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(BadInput, match="no dataset"):
        preview(tmp_path / "text.zip", preset_for("zero_one", entry), tmp_path / "out")
