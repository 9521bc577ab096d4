"""Shows pictures beside what the model will see of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from core.datasets.images import UnreadableImage, open_image, to_mode
from core.datasets.inputs import Array
from core.datasets.preprocess import check_preprocessing, preprocess
from core.datasets.readers import is_pictures, open_source, read_images
from core.datasets.wording import shown
from core.records import Preprocessing

_ORIGINAL_SIDE = 512
"""Largest side, in pixels, at which an original is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSample:
    """One picture before and after preprocessing."""

    original: str
    """Path of a PNG: the right way up, at most 512 pixels a side."""
    preprocessed: str
    """Path of a PNG of the input's size: its smallest value black, its largest white, and its
    first channel red, so that BGR shows as swapped colours."""
    label: str
    minimum: float
    maximum: float
    mean: float
    """Of all values of the input, in the model's own units."""


def preview(
    path: Path, preprocessing: Preprocessing, folder: Path, count: int = 6
) -> tuple[PreviewSample, ...]:
    """Preprocesses a few pictures from all over a dataset; belongs into the sandbox.

    Args:
        path: Dataset file or folder.
        preprocessing: What to try.
        folder: Receives the PNGs.
        count: How many pictures at most.

    Returns:
        Nothing where the samples are arrays: they go into the model as they are.

    Raises:
        BadInput: The dataset cannot be used, or the preprocessing makes no sense.
    """
    check_preprocessing(preprocessing)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = open_source(path, Path(scratch))
        if not is_pictures(tree):
            return ()
        images = read_images(tree)
        spaced = np.linspace(0, len(images.files) - 1, min(count, len(images.files)))
        shown_samples: list[PreviewSample] = []
        for index in np.rint(spaced).astype(int).tolist():
            try:
                image = open_image(images.files[index]).image
            except UnreadableImage:
                continue  # counted, and said, by the profile
            position = len(shown_samples)
            shown_samples.append(
                _show(image, images.labels[index], preprocessing, folder / f"{position}")
            )
    return tuple(shown_samples)


def _show(
    image: Image.Image, label: str, preprocessing: Preprocessing, stem: Path
) -> PreviewSample:
    original, preprocessed = (stem.with_name(f"{stem.name}-{kind}.png") for kind in ("in", "out"))
    values = preprocess(image, preprocessing)
    _to_picture(values, preprocessing.layout).save(preprocessed)
    image = to_mode(image, "RGB")
    image.thumbnail((_ORIGINAL_SIDE, _ORIGINAL_SIDE))
    image.save(original)
    return PreviewSample(
        original=str(original),
        preprocessed=str(preprocessed),
        label=shown(label),
        minimum=float(values.min()),
        maximum=float(values.max()),
        mean=float(values.mean()),
    )


def _to_picture(values: Array, layout: str) -> Image.Image:
    pixels = np.asarray(values, dtype=np.float64)
    if layout == "NCHW":
        pixels = pixels.transpose(1, 2, 0)
    span = float(np.ptp(pixels)) or 1.0
    pixels = np.rint((pixels - pixels.min()) / span * 255).astype(np.uint8)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
