from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import sandbox
from core.datasets import preset_for, profile_dataset, survey
from core.datasets.hashing import hash_dataset
from core.records import BadInput, DatasetProfile, TensorInfo, from_json, to_json


@pytest.fixture
def own_digits(digits: Path, tmp_path: Path) -> Path:
    return shutil.copytree(digits, tmp_path / "digits")


def codes(profile: DatasetProfile) -> list[str]:
    return [finding.code for finding in profile.findings]


def test_a_profile_of_digits(digits: Path, digits_model):
    preprocessing = preset_for("zero_one", digits_model.inputs[0])
    profile = profile_dataset(digits, digits_model, preprocessing, 0)
    assert (profile.kind, profile.samples, profile.classes) == ("class_folders", 300, 10)
    assert profile.class_names == tuple("0123456789")
    assert profile.class_counts == tuple(
        len(list((digits / name).iterdir())) for name in profile.class_names
    )
    splits = profile.splits
    assert (splits.calibration, splits.search, splits.confirm) == (60, 80, 160)
    assert profile.preprocessing == preprocessing
    assert profile.findings == ()
    assert from_json(DatasetProfile, to_json(profile)) == profile


def test_it_can_be_made_before_a_preprocessing_is_chosen(digits: Path, digits_model):
    chosen = preset_for("zero_255", digits_model.inputs[0])
    early = profile_dataset(digits, digits_model, None, 3)
    late = profile_dataset(digits, digits_model, chosen, 3)
    assert early == replace(late, preprocessing=None)


def test_it_runs_in_the_sandbox_and_reports(digits: Path, digits_model, tmp_path, zip_folder):
    heard: list[str] = []
    archive = zip_folder(digits, tmp_path / "digits.zip")
    profile = sandbox.call(
        profile_dataset, archive, digits_model, None, 0, report=lambda _, words: heard.append(words)
    )
    assert profile.sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert replace(profile, sha256="") == replace(
        profile_dataset(digits, digits_model, None, 0), sha256=""
    )
    assert any("of 300 samples" in words for words in heard)


def test_a_folders_hash_is_what_sha256sum_says_of_its_files(digits: Path, digits_model):
    names = sorted(str(file.relative_to(digits)) for file in digits.rglob("*.png"))
    lines = subprocess.run(
        ["sha256sum", *names], cwd=digits, capture_output=True, check=True
    ).stdout
    assert hash_dataset(digits) == hashlib.sha256(lines).hexdigest()


def test_one_damaged_picture_in_a_hundred_is_left_out_with_a_word(own_digits: Path, digits_model):
    broken = sorted((own_digits / "0").iterdir())
    for file in broken[:3]:
        file.write_bytes(file.read_bytes()[:40])
    profile = profile_dataset(own_digits, digits_model, None, 0)
    assert profile.samples == 297
    assert codes(profile) == ["unreadable"]
    assert f"(3): 0/{broken[0].name}" in profile.findings[0].sentence
    broken[3].write_text("no picture")
    with pytest.raises(BadInput, match=r"Of 300 pictures 4 cannot be read, the first being 0/"):
        profile_dataset(own_digits, digits_model, None, 0)


def test_copies_are_kept_together_and_told(own_digits: Path, digits_model):
    first, second, *_ = sorted((own_digits / "4").iterdir())
    shutil.copy(first, own_digits / "4" / "copy.png")
    shutil.copy(second, own_digits / "9" / "copy.png")
    profile = profile_dataset(own_digits, digits_model, None, 0)
    assert codes(profile) == ["copies", "conflicting_labels"]
    assert "2 exact" in profile.findings[0].sentence


def test_pictures_in_a_format_that_is_not_read_count_as_unreadable(
    own_digits, digits_model, noise, save
):
    for number in range(5):
        save(noise(number), own_digits / "1" / f"{number}.tif")
    with pytest.raises(BadInput, match=r"Of 305 pictures 5 cannot be read.*not a PNG, JPEG"):
        profile_dataset(own_digits, digits_model, None, 0)


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        ({"0": 2, "1": 1}, "Too few labelled samples, 3: at least 10"),
        ({"0": 20}, "All samples are of one class, 0:"),
    ],
)
def test_too_few_samples_or_classes_are_one_sentence(digits, digits_model, tmp_path, keep, words):
    for label, count in keep.items():
        for file in sorted((digits / label).iterdir())[:count]:
            (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / "data" / label)
    with pytest.raises(BadInput, match=words):
        profile_dataset(tmp_path / "data", digits_model, None, 0)


def test_a_huge_picture_stops_it_with_its_name(own_digits: Path, digits_model):
    Image.new("1", (50_000, 1100)).save(own_digits / "3" / "wide.png")
    with pytest.raises(BadInput, match=r"wide\.png has 50,000 x 1,100 pixels"):
        sandbox.call(profile_dataset, own_digits, digits_model, None, 0)


def test_labels_that_match_no_output(own_digits: Path, make_model):
    with pytest.raises(BadInput, match="5 labels are out of range: 5, 6, 7 and 2 more"):
        profile_dataset(own_digits, make_model("N", 1, 8, 8, outputs=5), None, 0)
    (own_digits / "9").rename(own_digits / "nine")
    with pytest.raises(BadInput, match=r"the model has 12 outputs: add a classes\.txt"):
        profile_dataset(own_digits, make_model("N", 1, 8, 8, outputs=12), None, 0)


def test_classes_without_a_sample_are_told(digits: Path, make_model):
    profile = profile_dataset(digits, make_model("N", 1, 8, 8, outputs=12), None, 0)
    assert profile.class_counts[-2:] == (0, 0)
    assert codes(profile) == ["absent_classes"]


@pytest.mark.parametrize("most", [40, 41])
def test_classes_of_very_different_size_are_told(npz, make_model, most):
    labels = np.repeat([0, 1, 3], [20, most, 8])
    path = npz(x=np.random.default_rng(0).random((len(labels), 4)), labels=labels)
    profile = profile_dataset(path, make_model("N", 4, outputs=4), None, 0)
    if most == 40:
        assert codes(profile) == ["absent_classes"]
    else:
        assert codes(profile) == ["absent_classes", "imbalanced"]
        assert profile.findings[1].severity == "info"
        assert profile.findings[1].sentence == (
            "The class 1 has 41 samples and 3 has 8, so accuracy mostly speaks of the frequent "
            "classes: look at balanced accuracy and the table of classes as well."
        )


def test_pictures_for_a_model_that_takes_none(digits: Path, make_model):
    second = TensorInfo(name="mask", dtype="float", shape=("N", 4))
    for model, words in (
        (make_model("N", 64), "shape \\(N, 64\\)"),
        (make_model("N", 1, 8, 8, more_inputs=(second,)), "2 inputs \\(x, mask\\)"),
    ):
        with pytest.raises(BadInput, match=words):
            profile_dataset(digits, model, None, 0)


def test_a_preprocessing_that_makes_another_shape(digits: Path, make_model):
    other = preset_for("zero_one", make_model("N", 3, 32, 32).inputs[0])
    with pytest.raises(BadInput, match=r"shape \(N, 3, 32, 32\) but .* x takes \(N, 1, 8, 8\)"):
        profile_dataset(digits, make_model("N", 1, 8, 8), other, 0)


def test_more_samples_than_are_used(digits: Path, digits_model, monkeypatch):
    monkeypatch.setattr(survey, "MAX_SAMPLES", 100)
    profile = profile_dataset(digits, digits_model, None, 0)
    assert profile.samples == 100
    assert codes(profile) == ["subset"]
    assert min(profile.class_counts) >= 9
    monkeypatch.setattr(survey, "MAX_PREPARED_BYTES", 50 * 8 * 8 * 4)
    assert profile_dataset(digits, digits_model, None, 0).samples == 50


def test_arrays_with_nan_are_told(npz, make_model):
    values = np.random.default_rng(0).random((40, 4))
    values[3, 1] = np.nan
    path = npz(x=values, labels=np.arange(40) % 2)
    profile = profile_dataset(path, make_model("N", 4, outputs=2), None, 0)
    assert profile.preprocessing is None
    assert codes(profile) == ["not_finite"]
