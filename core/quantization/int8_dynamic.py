"""INT8 dynamic: weights quantized now, activations at each run from their own range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from core.records import Recipe

QUANT_TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
_TYPE_UNKNOWN = "Unable to find data type"


def to_int8_dynamic(model: Path, recipe: Recipe) -> onnx.ModelProto:
    """Quantizes the weights of a prepared FP32 model dynamically.

    Args:
        model: Prepared FP32 ``.onnx`` file; the folder receives intermediate files.
        recipe: With method ``int8_dynamic``.
    """
    output = model.with_suffix(".quantized.onnx")

    def quantize(extra_options: dict[str, Any]) -> None:
        quantize_dynamic(
            model,
            output,
            op_types_to_quantize=list(recipe.op_types),
            per_channel=recipe.per_channel,
            reduce_range=recipe.reduce_range,
            weight_type=QUANT_TYPES[recipe.weight_type],
            nodes_to_exclude=list(recipe.left_in_float),
            extra_options=extra_options,
        )

    try:
        quantize({})
    except RuntimeError as error:
        if _TYPE_UNKNOWN not in str(error):
            raise
        # Behind an operator that shape inference does not know; in an FP32 model it is float.
        quantize({"DefaultTensorType": TensorProto.FLOAT})
    return onnx.load(output)
