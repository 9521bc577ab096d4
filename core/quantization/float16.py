"""FP16: half the file, the same graph between float32 inputs and outputs."""

from __future__ import annotations

import copy

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from core.records import Recipe


def to_float16(model: onnx.ModelProto, recipe: Recipe) -> onnx.ModelProto:
    """Converts weights and tensors to FP16.

    Inputs and outputs stay float32, and so do the nodes that ``recipe`` leaves in float and the
    operators that have no FP16 form.

    Args:
        model: Prepared FP32 model; not changed.
        recipe: With method ``float16``.
    """
    converted: onnx.ModelProto = convert_float_to_float16(
        copy.deepcopy(model),
        keep_io_types=True,
        node_block_list=list(recipe.left_in_float),
    )
    return converted
