from __future__ import annotations

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import sandbox
from core.datasets import (
    prepare,
    prepare_calibration,
    preset_for,
    profile_dataset,
    training,
)
from core.records import BadInput, DatasetProfile, Finding, PreparedData


@pytest.fixture
def own_digits(digits: Path, tmp_path: Path) -> Path:
    return shutil.copytree(digits, tmp_path / "digits")


def pictures_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def told(profile: DatasetProfile) -> Finding:
    (finding,) = (f for f in profile.findings if f.code in ("trained_on", "not_trained_on"))
    return finding


def pixels_of(prepared: PreparedData, *splits) -> set[bytes]:
    return {
        np.rint(row * 255).astype(np.uint8).tobytes()
        for split in splits
        for row in sandbox.load_inputs(prepared, split)["x"]
    }


def test_what_sha256sum_lists_never_reaches_search_and_confirm(
    own_digits: Path, digits_model, tmp_path: Path, zip_folder
):
    listed = pictures_of(own_digits)[::5]
    lines = subprocess.run(["sha256sum", *listed], capture_output=True, check=True).stdout
    (own_digits / "training.txt").write_bytes(lines)
    archive = zip_folder(own_digits, tmp_path / "digits.zip")
    preprocessing = preset_for("zero_one", digits_model.inputs[0])

    profile = sandbox.call(profile_dataset, archive, digits_model, preprocessing, 3)
    prepared = sandbox.call(prepare, archive, digits_model, preprocessing, tmp_path / "out", 3)
    again = prepare(archive, digits_model, preprocessing, tmp_path / "again", 3)

    assert profile == prepared.profile == again.profile
    finding = told(profile)
    assert finding.severity == "warning"
    assert finding.sentence.startswith(
        "The model was trained on 60 of the samples (60 named in training.txt, 0 copies of these)"
    )
    trained = {np.asarray(Image.open(file)).tobytes() for file in listed}
    splits = profile.splits
    assert not trained & pixels_of(prepared, "search", "confirm")
    calibrated = len(trained & pixels_of(prepared, "calibration"))
    assert calibrated > 50
    assert f"{calibrated} went into calibration and {60 - calibrated} were" in finding.sentence
    # Had nobody said what was trained on, calibration would have had 60 of the other samples.
    assert splits.search + splits.confirm == 240 - (60 - calibrated)
    assert profile.samples == splits.calibration + splits.search + splits.confirm
    assert sum(profile.class_counts) == profile.samples
    for name in ("inputs/0.npy", "labels.npy"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_calibration_alone_is_that_of_the_whole(own_digits: Path, digits_model, tmp_path: Path):
    lines = [f"{digest(file)}\n" for file in pictures_of(own_digits)[:100]]
    (own_digits / "training.txt").write_text("".join(lines))
    preprocessing = preset_for("zero_one", digits_model.inputs[0])
    presets = {"zero_one": preprocessing}
    few = prepare_calibration(own_digits, digits_model, presets, tmp_path / "few", 1)["zero_one"]
    whole = prepare(own_digits, digits_model, preprocessing, tmp_path / "whole", 1)
    np.testing.assert_array_equal(
        sandbox.load_inputs(few)["x"], sandbox.load_inputs(whole, "calibration")["x"]
    )


def test_copies_of_what_was_trained_on_count_as_well(tmp_path: Path, noise, save, make_model):
    data = tmp_path / "data"
    for number in range(40):
        save(noise(number), data / "ab"[number % 2] / f"{number}.png")
    # The same pixels in another file, and the same motif compressed and smaller.
    save(noise(0), data / "a" / "exact.bmp")
    Image.fromarray(noise(1)).resize((100, 75)).save(data / "b" / "alike.jpg", quality=60)
    (data / "training.txt").write_text(
        f"{digest(data / 'a' / '0.png')}\n{digest(data / 'b' / 'alike.jpg')}\n"
    )
    profile = profile_dataset(data, make_model("N", 3, 32, 32, outputs=2), None, 0)
    assert told(profile).sentence.startswith(
        "The model was trained on 4 of the samples (2 named in training.txt, 2 copies of these)"
    )


@given(
    motifs=st.lists(st.integers(0, 24), min_size=24, max_size=40),
    listed=st.sets(st.integers(0, 39), max_size=12),
    seed=st.integers(0, 99),
)
@settings(max_examples=20, deadline=None)
def test_no_copy_is_ever_on_both_sides(make_model, motifs, listed, seed):
    """Random sets of copies, in different files, some of which are listed."""
    motifs += range(25, 40)  # 15 that are nobody's copy, and so enough to be split
    listed = {place for place in listed if motifs[place] < 25}
    with TemporaryDirectory() as name:
        data = Path(name, "data")
        lines = []
        for place, motif in enumerate(motifs):
            file = data / "ab"[motif % 2] / f"{place}.{('png', 'bmp')[place % 2]}"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(motif).integers(0, 256, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(file, compress_level=place % 9)
            lines += [f"{digest(file)}  {file.name}\n"] * (place in listed)
        if lines:
            (data / "training.txt").write_text("".join(lines))
        model = make_model("N", 1, 4, 4, outputs=2)
        preprocessing = preset_for("zero_one", model.inputs[0])
        prepared = prepare(data, model, preprocessing, Path(name, "out"), seed)
        parts = [pixels_of(prepared, split) for split in ("calibration", "search", "confirm")]
        trained = {
            np.random.default_rng(motifs[place]).integers(0, 256, (4, 4), dtype=np.uint8).tobytes()
            for place in listed
        }
    assert sum(len(part) for part in parts) == len(set.union(*parts))
    assert not trained & (parts[1] | parts[2])
    assert len(set.union(*parts) | trained) == len(set(motifs))


@pytest.mark.parametrize(
    "line",
    [
        "{0}",
        "{0}  name.png",
        "{0} *name.png",
        "\\{0}  a\\\\b.png",
        "{0}\ta name with blanks.png\r",
        "# Of the run in May\n\n   \n{0}  caf\udce9.png",
        "\ufeff{0}",
    ],
)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_list_in_many_dialects(own_digits: Path, digits_model, line, case):
    listed = pictures_of(own_digits)[0]
    text = f"{'ab' * 32}  elsewhere.png\n{line.format(case(digest(listed)))}"
    if line.startswith("\ufeff"):
        text = line.format(case(digest(listed)))
    (own_digits / "Training.TXT").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert (
        "trained on 1 of the samples"
        in told(profile_dataset(own_digits, digits_model, None, 0)).sentence
    )


def test_a_list_above_the_folder_of_the_samples(own_digits: Path, digits_model, tmp_path: Path):
    listed = digest(pictures_of(own_digits)[0])
    shutil.move(own_digits, tmp_path / "upload" / "val")
    (tmp_path / "upload" / "training.txt").write_text(listed)
    profile = profile_dataset(tmp_path / "upload", digits_model, None, 0)
    assert told(profile).code == "trained_on"


def test_a_list_that_names_none_of_them_says_so(own_digits: Path, digits_model):
    before = profile_dataset(own_digits, digits_model, None, 0)
    (own_digits / "training.txt").write_text("\n".join(f"{number:064x}" for number in range(1200)))
    profile = profile_dataset(own_digits, digits_model, None, 0)
    assert told(profile).severity == "info"
    assert "among the 1,200 training files of training.txt" in told(profile).sentence
    assert profile.splits == before.splits
    assert before.findings == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no SHA-256 digest"),
        (b"# nothing\n\n", "holds no SHA-256 digest"),
        (b"val/1.png\n", "Line 1 of training.txt is not a SHA-256 digest"),
        (b"ab" * 32 + b"\n" + b"ab" * 16 + b"  md5.png\n", "Line 2 of training.txt is not"),
        (b"ab" * 32 + b",1.png\n", "Line 1 of training.txt is not"),
        (b"ab" * 33, "Line 1 of training.txt is not"),
        ("ab".encode("utf-16") * 32, "Line 1 of training.txt is not"),
        (b"\0" * 100_000, "Line 1 of training.txt is not"),
    ],
)
def test_a_faulty_list_is_one_sentence(own_digits: Path, digits_model, content, words):
    (own_digits / "training.txt").write_bytes(content)
    with pytest.raises(BadInput, match=words) as error:
        profile_dataset(own_digits, digits_model, None, 0)
    assert len(str(error.value)) < 250


def test_a_list_has_a_longest_length(own_digits: Path, digits_model, monkeypatch):
    monkeypatch.setattr(training, "MAX_LINES", 10)
    (own_digits / "training.txt").write_text(f"{'ab' * 32}\n" * 10)
    assert told(profile_dataset(own_digits, digits_model, None, 0)).code == "not_trained_on"
    (own_digits / "training.txt").write_text(f"{'ab' * 32}\n" * 10 + "\n")
    with pytest.raises(BadInput, match="more than 10 lines"):
        profile_dataset(own_digits, digits_model, None, 0)


def test_too_few_samples_that_were_not_trained_on_are_one_sentence(own_digits: Path, digits_model):
    files = pictures_of(own_digits)
    lines = [f"{digest(file)}\n" for file in files]
    (own_digits / "training.txt").write_text("".join(lines[:295]))
    with pytest.raises(
        BadInput,
        match=r"Too few labelled samples, 5 \(not counted are 295 that the model was trained on, "
        r"by training\.txt\): at least 10",
    ):
        profile_dataset(own_digits, digits_model, None, 0)
    others = [digest(file) for file in files if file.parent.name != "4"]
    (own_digits / "training.txt").write_text("\n".join(others))
    with pytest.raises(BadInput, match=r"of one class, 4 \(not counted are 2\d\d that the model"):
        profile_dataset(own_digits, digits_model, None, 0)


def test_arrays_have_no_list(npz, make_model, tmp_path: Path):
    model = make_model("N", 4, outputs=2)
    x, labels = np.random.default_rng(0).random((40, 4)), np.arange(40) % 2
    data = tmp_path / "data"
    data.mkdir()
    npz(x=x, labels=labels).rename(data / "data.npz")
    (data / "training.txt").write_text("ab" * 32)
    with pytest.raises(BadInput, match=r"training\.txt lists files, which arrays are not: remove"):
        profile_dataset(data, model, None, 0)
    path = npz(x=x, labels=labels, training_sha256=np.array(["ab" * 32]))
    with pytest.raises(BadInput, match="array training_sha256 cannot be used"):
        profile_dataset(path, model, None, 0)
