"""The rewrites of the FP32 graph before anything is quantized, as far as a recipe asks for them.

Each computes what the graph computed before, up to rounding, in a form that loses less in INT8 or
runs faster.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx

from core.quantization.calibration import CalibrationSamples
from core.quantization.rewrites.equalize import equalize
from core.quantization.rewrites.fuse import fuse
from core.quantization.rewrites.residual_norms import part_residual_norms
from core.quantization.rewrites.smooth import channel_maxima, norm_outputs, smooth
from core.quantization.rewrites.smooth_lstm import smooth_inputs, smoothable_inputs
from core.records import Recipe


def rewrite(
    model: onnx.ModelProto, recipe: Recipe, samples: Callable[[], CalibrationSamples]
) -> onnx.ModelProto:
    """Fuses, equalizes and smooths, as far as the recipe says so.

    Args:
        model: Prepared FP32 model.
        recipe: Names the rewrites.
        samples: Opens the calibration samples; called only for smoothing.

    Raises:
        BadInput: A rewrite finds nothing to do; one sentence says why.
    """
    if recipe.fuse:
        model = fuse(model)
    if "Add" not in recipe.op_types:  # where additions become INT8, nothing merges them
        part_residual_norms(model)
    if recipe.equalize:
        model = equalize(model)
    if recipe.smooth is not None and (sequences := smoothable_inputs(model)):
        model = smooth_inputs(model, channel_maxima(model, sequences, samples()), recipe.smooth)
    elif recipe.smooth is not None:
        maxima = channel_maxima(model, norm_outputs(model), samples())
        model = smooth(model, maxima, recipe.smooth)
    return model
