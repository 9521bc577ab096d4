"""Opens untrusted pictures: formats by name, a cap on pixels, the right way up, 8 bits."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from core.datasets.wording import shown
from core.records import BadInput

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF")
"""The decoders that may see an upload; all others of Pillow stay out of reach."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp", ".gif"})
OTHER_PICTURES = frozenset({".tif", ".tiff", ".heic", ".heif", ".avif", ".ppm", ".pgm", ".jp2"})
"""Pictures in formats that are not read: counted as unreadable rather than passed over."""

MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
MAX_ASPECT = 100
"""Longer side over shorter side; thinner pictures grow without measure when resized."""

# What Pillow's decoders raise on malformed files of the formats above.
_MALFORMED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, the right way up."""

    image: Image.Image
    turned: bool
    """Whether its EXIF data asked for a turn or a flip, which was made."""


class UnreadableImage(Exception):  # noqa: N818  (says what the file is, as BadInput does)
    """A file is not a picture that can be decoded; the message says why, in a few words."""


def open_image(path: Path, draft: int | None = None) -> Picture:
    """Decodes the first frame of a picture and turns it the right way up.

    Args:
        path: The file.
        draft: If given, a JPEG is decoded at the smallest of 1/8, 1/4, 1/2 and 1 of its size
            whose sides are not below this many pixels: several times faster, for looking at
            a picture rather than for making an input of it.

    Raises:
        BadInput: It has more pixels than :data:`MAX_PIXELS` or :data:`MAX_SIDE` allow; one such
            picture is reason enough to stop, since it may be meant to exhaust the machine.
        UnreadableImage: It is damaged, or in none of :data:`FORMATS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                _check_size(image, path)
                if draft is not None:
                    image.draft(None, (draft, draft))
                turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
                ImageOps.exif_transpose(image, in_place=True)  # decodes it, too
                return Picture(image, turned)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(_too_large(path, f"more than {MAX_PIXELS / 1e6:.0f} million")) from None
    except UnidentifiedImageError:
        raise UnreadableImage("not a PNG, JPEG, BMP, WebP or GIF picture") from None
    except _MALFORMED:
        raise UnreadableImage("damaged or cut short") from None


def to_mode(image: Image.Image, mode: Literal["RGB", "L"]) -> Image.Image:
    """Converts a picture of any mode to 8-bit RGB or grey.

    Transparency is dropped, not blended, as the loaders of torchvision (``pil_loader``) and
    Keras (``load_img``) do with ``convert("RGB")``. Grey is ITU-R 601-2 luma. 16-bit grey is
    scaled by 1/257; Pillow's own conversion would clip it.
    """
    if image.mode.startswith("I"):
        wide = np.clip(np.asarray(image, dtype=np.float64), 0, 65535)
        image = Image.fromarray(np.rint(wide / 257).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _check_size(image: Image.Image, path: Path) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadInput(_too_large(path, f"{width:,} x {height:,}"))
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UnreadableImage(f"one side is over {MAX_ASPECT} times the other")


def _too_large(path: Path, size: str) -> str:
    return (
        f"The picture {shown(path.name)} has {size} pixels: at most {MAX_PIXELS // 10**6} million "
        f"and {MAX_SIDE:,} a side are read, so make it smaller first."
    )
