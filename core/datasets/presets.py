"""The ways in which most image models were fed in training, adapted to a model's input."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.datasets.inputs import DEFAULT_SIDE, FLOAT_TYPES, image_input
from core.datasets.wording import shown
from core.records import BadInput, Preprocessing, TensorInfo

SMALL_SIDE = 64
"""Inputs smaller than this, in pixels, are stretched: their pictures were never cropped."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class PresetInfo:
    """A preset as the form offers it."""

    title: str
    when: str
    """One sentence: for which models it is right."""
    preprocessing: Preprocessing
    """For a 224 x 224 RGB input; :func:`preset_for` adapts it to a model's input."""


PRESETS: dict[str, PresetInfo] = {
    "imagenet_torchvision": PresetInfo(
        "ImageNet (torchvision)",
        "For models from torchvision and most PyTorch classifiers: shorter side to 256, centre "
        "224, bilinear, ImageNet mean and deviation.",
        Preprocessing(preset="imagenet_torchvision", mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
    ),
    "imagenet_timm": PresetInfo(
        "ImageNet (timm)",
        "For models from timm: as torchvision, but bicubic and with the centre 90%; if the "
        "model's card names another crop or mean, choose custom.",
        Preprocessing(
            preset="imagenet_timm",
            crop_fraction=0.9,
            interpolation="bicubic",
            mean=_IMAGENET_MEAN,
            std=_IMAGENET_STD,
        ),
    ),
    "keras_minus1_1": PresetInfo(
        "Keras, -1 to 1",
        "For MobileNet, Inception, Xception and others from Keras or TensorFlow: stretched to "
        "the input's size, values from -1 to 1.",
        Preprocessing(
            preset="keras_minus1_1", fit="stretch", crop_fraction=1.0, scale=1 / 127.5, mean=(1.0,)
        ),
    ),
    "zero_one": PresetInfo(
        "0 to 1",
        "For models trained on pixels divided by 255, as torchvision's ToTensor alone gives "
        "them: stretched to the input's size, values from 0 to 1.",
        Preprocessing(preset="zero_one", fit="stretch", crop_fraction=1.0),
    ),
    "zero_255": PresetInfo(
        "0 to 255",
        "For models that scale the pixels themselves, such as EfficientNet from Keras, and for "
        "inputs that take bytes: stretched to the input's size, values as they are.",
        Preprocessing(preset="zero_255", fit="stretch", crop_fraction=1.0, scale=1.0),
    ),
}


def preset_for(name: str, model_input: TensorInfo) -> Preprocessing:
    """Adapts a preset to a model's input: colour, size, layout and type.

    Grey inputs take the mean of the three channels' means and deviations. Inputs smaller than
    :data:`SMALL_SIDE` are stretched, not cropped.

    Raises:
        BadInput: There is no such preset, the input is not that of pictures, or it takes whole
            numbers and the preset scales.
    """
    if name not in PRESETS:
        raise BadInput(f"There is no preset {shown(name)}: choose one of {', '.join(PRESETS)}.")
    base = PRESETS[name].preprocessing
    layout, channels, height, width = image_input(model_input)
    height, width = height or DEFAULT_SIDE, width or DEFAULT_SIDE
    takes_bytes = model_input.dtype not in FLOAT_TYPES
    if takes_bytes and name != "zero_255":
        raise BadInput(
            f"The model's input {shown(model_input.name)} takes whole numbers, so the preset "
            f"{name}, which scales, does not fit: choose zero_255."
        )
    grey = channels == 1
    small = min(height, width) < SMALL_SIDE
    return replace(
        base,
        color="L" if grey else "RGB",
        height=height,
        width=width,
        fit="stretch" if small else base.fit,
        crop_fraction=1.0 if small else base.crop_fraction,
        mean=_average(base.mean) if grey else base.mean,
        std=_average(base.std) if grey else base.std,
        layout=layout,
        dtype="uint8" if takes_bytes else "float32",
    )


def applicable_presets(model_input: TensorInfo) -> dict[str, Preprocessing]:
    """The presets that fit a model's input, adapted to it, by name; none if it is no picture's."""
    fitting: dict[str, Preprocessing] = {}
    for name in PRESETS:
        try:
            fitting[name] = preset_for(name, model_input)
        except BadInput:
            continue
    return fitting


def _average(values: tuple[float, ...]) -> tuple[float, ...]:
    return (round(sum(values) / len(values), 6),)
