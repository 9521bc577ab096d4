"""A picture becomes a model input: resize, crop, scale, normalise, lay out."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from core.datasets.images import to_mode
from core.datasets.inputs import Array
from core.records import BadInput, Preprocessing

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
MAX_SIDE = 4096
"""Largest height or width of a model input, in pixels."""


def preprocess(image: Image.Image, preprocessing: Preprocessing) -> Array:
    """Turns one picture into one model input, without the batch axis.

    Pixels keep their values up to ``(pixel * scale - mean) / std``, which is worked out in
    float32; ``mean`` and ``std`` follow the channels in the order of ``color``. With ``dtype``
    ``uint8`` the pixels are returned as they are: the model does the arithmetic.

    Args:
        image: Decoded, the right way up, any mode.
        preprocessing: What to do; see :func:`check_preprocessing`.

    Returns:
        Shape ``(channels, height, width)`` for NCHW, ``(height, width, channels)`` for NHWC.
    """
    image = to_mode(image, "L" if preprocessing.color == "L" else "RGB")
    pixels = np.asarray(fit(image, preprocessing))
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if preprocessing.color == "BGR":
        pixels = pixels[:, :, ::-1]
    if preprocessing.dtype == "float32":
        mean = np.array(preprocessing.mean, dtype=np.float32)
        std = np.array(preprocessing.std, dtype=np.float32)
        pixels = (pixels * np.float32(preprocessing.scale) - mean) / std
    if preprocessing.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels)


def fit(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Resizes and crops a picture to the size of the input.

    A picture that has the input's size already is returned as it is. Otherwise ``stretch``
    resizes both sides, and ``crop`` does what torchvision's ``Resize`` and ``CenterCrop`` do:
    the shorter side becomes ``floor(size / crop_fraction)``, the longer one keeps the ratio,
    rounded down; then the centre is cut out. For inputs that are not square the resized
    picture is the smallest that covers both ``height / crop_fraction`` and
    ``width / crop_fraction``.
    """
    target = (preprocessing.width, preprocessing.height)
    if image.size == target:
        return image
    resampling = _RESAMPLING[preprocessing.interpolation]
    if preprocessing.fit == "stretch":
        return image.resize(target, resampling)
    width, height = image.size
    # The small term keeps 380 / 0.95 at 400 whatever the last binary digit says.
    cover_w, cover_h = (math.floor(side / preprocessing.crop_fraction + 1e-6) for side in target)
    if cover_h * width >= cover_w * height:
        resized = (cover_h * width // height, cover_h)
    else:
        resized = (cover_w, cover_w * height // width)
    left, top = (round((had - want) / 2) for had, want in zip(resized, target, strict=True))
    box = (left, top, left + preprocessing.width, top + preprocessing.height)
    # Not resize(..., box=): it differs from resize-then-crop by up to 25 grey levels at edges.
    return image.resize(resized, resampling).crop(box)


def check_preprocessing(preprocessing: Preprocessing) -> None:
    """Checks what a form or a file may have got wrong.

    Raises:
        BadInput: A size, a fraction, or the number of means or deviations makes no sense.
    """
    p = preprocessing
    channels = 1 if p.color == "L" else 3
    if not (1 <= p.height <= MAX_SIDE and 1 <= p.width <= MAX_SIDE):
        raise BadInput(
            f"An input of {p.width} x {p.height} pixels cannot be made: each side must lie "
            f"between 1 and {MAX_SIDE:,}."
        )
    if not 0.05 <= p.crop_fraction <= 1:
        raise BadInput(f"The crop fraction is {p.crop_fraction:g}: it must lie between 0.05 and 1.")
    if {len(p.mean), len(p.std)} - {1, channels}:
        raise BadInput(
            f"{p.color} has {channels} channel{'s' * (channels > 1)}: give one mean and one "
            "standard deviation for all, or one for each."
        )
    if not all(math.isfinite(value) for value in (p.scale, *p.mean, *p.std)) or 0 in p.std:
        raise BadInput("The scale, means and deviations must be numbers, and no deviation 0.")
