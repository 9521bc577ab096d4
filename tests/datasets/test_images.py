from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.images import UnreadableImage, open_image, to_mode
from core.records import BadInput


def png_header_only(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )


@pytest.mark.parametrize("size", [(50_000, 50_000), (50_000, 2_000), (50_000, 1_500), (50_000, 9)])
def test_a_huge_picture_is_one_sentence_that_names_it(tmp_path: Path, size: tuple[int, int]):
    path = tmp_path / "wide.png"
    path.write_bytes(png_header_only(*size))
    with pytest.raises(BadInput, match=r"^The picture wide\.png has .* pixels: .*\.$"):
        open_image(path)


def test_a_thread_of_a_picture_is_unreadable(tmp_path: Path):
    path = tmp_path / "thin.png"
    Image.new("RGB", (5000, 2)).save(path)
    with pytest.raises(UnreadableImage, match="100 times"):
        open_image(path)


def test_a_damaged_picture_is_unreadable_full_size_and_as_a_draft(tmp_path: Path, noise, save):
    for name in ("a.png", "a.jpg", "a.webp", "a.bmp", "a.gif"):
        whole = save(noise(1, 400, 500), tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        for draft in (None, 64):
            with pytest.raises(UnreadableImage):
                open_image(tmp_path / name, draft=draft)


def test_formats_off_the_list_are_not_decoded(tmp_path: Path, noise, save):
    hidden = save(noise(1), tmp_path / "a.tif")
    hidden = hidden.rename(tmp_path / "a.png")
    with pytest.raises(UnreadableImage, match="not a PNG"):
        open_image(hidden)


def test_exif_orientation_is_applied_and_told(tmp_path: Path, noise):
    pixels = noise(1, 60, 90)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    picture = open_image(tmp_path / "a.png")
    assert picture.turned
    np.testing.assert_array_equal(np.asarray(picture.image), np.rot90(pixels, -1))
    Image.fromarray(pixels).save(tmp_path / "b.png")
    assert not open_image(tmp_path / "b.png").turned


def test_a_draft_is_smaller_but_not_below_the_side_asked_for(tmp_path: Path, noise, save):
    path = save(noise(1, 600, 800), tmp_path / "a.jpg")
    assert open_image(path).image.size == (800, 600)
    assert open_image(path, draft=128).image.size == (200, 150)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path):
    wide = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "a.png")
    grey = np.asarray(to_mode(open_image(tmp_path / "a.png").image, "L"))
    np.testing.assert_array_equal(grey, np.rint(wide / 257).astype(np.uint8))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb_and_grey(mode: str, noise):
    image = Image.fromarray(noise(2)).convert(mode)
    for wanted in ("RGB", "L"):
        assert to_mode(image, wanted).mode == wanted


def test_transparency_is_dropped_as_torchvision_and_keras_do():
    image = Image.new("RGBA", (4, 4), (200, 100, 50, 0))
    assert to_mode(image, "RGB").getpixel((0, 0)) == (200, 100, 50)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.gif"])
def test_whatever_is_wrong_with_a_picture_is_told_in_words(tmp_path: Path, noise, save, name):
    rng = np.random.default_rng(0)
    whole = save(noise(1, 40, 50), tmp_path / name).read_bytes()
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            damaged[rng.integers(min(300, len(damaged)))] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged)
        try:
            to_mode(open_image(tmp_path / name, draft=16).image, "RGB")
        except (UnreadableImage, BadInput) as reason:
            outcomes.add(type(reason))
    assert UnreadableImage in outcomes
