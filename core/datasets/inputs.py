"""What a model's input takes: its NumPy type, and its shape read as that of a picture."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.datasets.wording import shown
from core.records import BadInput, ModelProfile, Preprocessing, TensorInfo

Array = NDArray[Any]
"""Samples or one sample, of whatever type the input takes."""

DEFAULT_SIDE = 224
"""Pixels, where the model leaves the height or width of its input open."""

FLOAT_TYPES = ("float", "float16", "double")
"""ONNX element types that scaled pixels can be given in."""

_NUMPY_NAMES = {"float": "float32", "double": "float64"}
_SAME_NAMES = frozenset(
    {"float16", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)


class ImageInput(NamedTuple):
    """A model input read as a picture; sizes in pixels, None where the model leaves them open."""

    layout: Literal["NCHW", "NHWC"]
    channels: int
    height: int | None
    width: int | None


def input_dtype(model_input: TensorInfo) -> np.dtype[np.generic]:
    """The NumPy type, in this machine's byte order, of what an input takes.

    Raises:
        BadInput: No array holds such values (text, sequences, ``bfloat16``).
    """
    name = model_input.dtype
    if name not in _NUMPY_NAMES and name not in _SAME_NAMES:
        raise BadInput(
            f"The model's input {shown(model_input.name)} is of type {shown(name)}, which no "
            "samples can be given in: export the model with number inputs."
        )
    return np.dtype(_NUMPY_NAMES.get(name, name))


def image_input(model_input: TensorInfo) -> ImageInput:
    """Reads a model input's shape as that of a picture.

    The channel axis is the one of 1 or 3: axis 1 (NCHW) before axis 3 (NHWC). Where neither
    is stated the input is taken as NCHW with 3 channels.

    Raises:
        BadInput: It has not 4 axes, or no axis that could be the channels.
    """
    shape = model_input.shape
    sides = [side if isinstance(side, int) else None for side in shape]
    if len(sides) == 4:
        if sides[1] in (1, 3):
            return ImageInput("NCHW", sides[1], sides[2], sides[3])
        if sides[3] in (1, 3):
            return ImageInput("NHWC", sides[3], sides[1], sides[2])
        if sides[1] is None:
            return ImageInput("NCHW", 3, sides[2], sides[3])
    raise BadInput(
        f"The model's input {shown(model_input.name)} has the shape {shape_words(shape)}, which is "
        "not that of grey or colour pictures: give the samples as .npz with one array per input."
    )


def picture_shape(model: ModelProfile, preprocessing: Preprocessing | None) -> tuple[int, int, int]:
    """The shape of one picture as the input of a model, without the batch axis.

    Args:
        model: The model.
        preprocessing: None while it is not chosen: open sizes are taken as 224.

    Raises:
        BadInput: The model does not take one picture, or not those that this makes.
    """
    if len(model.inputs) != 1:
        names = ", ".join(shown(entry.name, 20) for entry in model.inputs)
        raise BadInput(
            f"The model has {len(model.inputs)} inputs ({names}) and pictures can fill only one: "
            "give the samples as .npz with one array per input."
        )
    entry = model.inputs[0]
    if preprocessing is None:
        layout, channels, height, width = image_input(entry)
        return _laid_out(layout, channels, height or DEFAULT_SIDE, width or DEFAULT_SIDE)
    made = _laid_out(
        preprocessing.layout,
        1 if preprocessing.color == "L" else 3,
        preprocessing.height,
        preprocessing.width,
    )
    wanted = entry.shape[1:]
    if len(wanted) != 3 or any(
        isinstance(size, int) and size != had for size, had in zip(wanted, made, strict=True)
    ):
        raise BadInput(
            f"The preprocessing makes inputs of shape {shape_words(('N', *made))} but the model's "
            f"input {shown(entry.name)} takes {shape_words(entry.shape)}: change its size, colour "
            "or layout."
        )
    if preprocessing.dtype == "float32" and entry.dtype not in FLOAT_TYPES:
        raise BadInput(
            f"The preprocessing scales but the model's input {shown(entry.name)} takes whole "
            f"numbers ({shown(entry.dtype)}): choose zero_255."
        )
    return made


def shape_words(shape: tuple[int | str, ...]) -> str:
    """A shape as people write it: ``(N, 3, 224, 224)``."""
    return f"({', '.join(shown(side, 20) for side in shape)})"


def _laid_out(layout: str, channels: int, height: int, width: int) -> tuple[int, int, int]:
    return (channels, height, width) if layout == "NCHW" else (height, width, channels)
