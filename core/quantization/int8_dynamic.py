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

    ``Gemm`` has no dynamic kernel: onnxruntime makes it ``MatMul`` and ``Add`` on the way, so it
    counts as a ``MatMul`` among the operator types of a recipe.

    Args:
        model: Prepared FP32 ``.onnx`` file; the folder receives intermediate files.
        recipe: With method ``int8_dynamic``.
    """
    output = model.with_suffix(".quantized.onnx")
    # By the time that names are looked at, a Gemm has become a MatMul of another name.
    left = [name for node in recipe.left_in_float for name in (node, f"{node}_MatMul")]

    def quantize(extra_options: dict[str, Any]) -> None:
        quantize_dynamic(
            model,
            output,
            op_types_to_quantize=list(recipe.op_types),
            per_channel=recipe.per_channel,
            reduce_range=recipe.reduce_range,
            weight_type=QUANT_TYPES[recipe.weight_type],
            nodes_to_exclude=left,
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
