from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance
from sklearn.datasets import load_digits

from core.datasets.images import Picture, open_image
from core.datasets.leakage import (
    describe_copies,
    find_copies,
    fingerprint_array,
    fingerprint_picture,
)


def prints_of(*images: Image.Image):
    return [fingerprint_picture(Picture(image, False)) for image in images]


def test_exact_copies_are_grouped_whatever_the_file(tmp_path: Path, noise, save):
    save(noise(1), tmp_path / "a.png")
    save(noise(1), tmp_path / "b.bmp")
    save(noise(2), tmp_path / "c.png")
    copies = find_copies(
        [fingerprint_picture(open_image(tmp_path / name)) for name in ("a.png", "b.bmp", "c.png")]
    )
    assert copies.exact == 1
    assert copies.groups[0] == copies.groups[1] != copies.groups[2]


def test_recompressed_resized_and_brightened_copies_look_the_same(tmp_path: Path, noise):
    original = Image.fromarray(noise(1, 240, 320))
    original.save(tmp_path / "a.jpg", quality=40)
    others = [Image.fromarray(noise(seed, 240, 320)) for seed in range(2, 42)]
    copies = find_copies(
        prints_of(
            original,
            Image.open(tmp_path / "a.jpg"),
            original.resize((200, 150)),
            ImageEnhance.Brightness(original).enhance(0.9),
            *others,
        )
    )
    assert (copies.exact, copies.alike, copies.indistinct) == (0, 3, False)
    assert len(set(copies.groups[:4].tolist())) == 1
    assert len(set(copies.groups.tolist())) == 41


def test_digits_are_not_taken_for_copies_of_one_another():
    data = load_digits().images.astype(np.uint8) * 15
    copies = find_copies(prints_of(*(Image.fromarray(image) for image in data)))
    assert copies.alike == 0
    assert copies.exact == len(data) - len(np.unique(data.reshape(len(data), -1), axis=0))


def test_blank_pictures_are_copies_only_if_they_are_equal():
    blanks = [Image.new("RGB", (100, 100), (level, level, level)) for level in (0, 0, 90, 200)]
    copies = find_copies(prints_of(*blanks))
    assert (copies.exact, copies.alike) == (1, 0)


def test_a_fixed_camera_is_told_instead_of_joining_all(noise):
    scene = noise(1, 200, 200).astype(int)
    frames = []
    for seed in range(60):
        grain = np.random.default_rng(seed).integers(-4, 5, scene.shape)
        frames.append(Image.fromarray((scene + grain).clip(0, 255).astype(np.uint8)))
    copies = find_copies(prints_of(*frames))
    assert copies.indistinct
    assert len(set(copies.groups.tolist())) == 60
    findings = describe_copies(copies, np.zeros(60, dtype=np.int64))
    assert [finding.code for finding in findings] == ["alike"]


def test_arrays_are_compared_in_all_inputs():
    row, other = np.arange(4.0), np.arange(4.0) + 1
    copies = find_copies(
        [
            fingerprint_array(row, row),
            fingerprint_array(row, other),
            fingerprint_array(row.copy(), row),
        ]
    )
    assert copies.exact == 1
    assert copies.groups[0] == copies.groups[2] != copies.groups[1]


def test_copies_with_different_labels_are_told():
    copies = find_copies([fingerprint_array(np.arange(3)) for _ in range(2)])
    codes = [f.code for f in describe_copies(copies, np.array([0, 1]))]
    assert codes == ["copies", "conflicting_labels"]
    assert [f.code for f in describe_copies(copies, np.array([1, 1]))] == ["copies"]
