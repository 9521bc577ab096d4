"""INT8 static: weights quantized now, activations to ranges seen on the calibration split."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, quantize_static

from core.quantization.activations.observe import observe
from core.quantization.activations.ranges import save_ranges
from core.quantization.calibration import CalibrationSamples
from core.quantization.graph import Graph, drop_unread_constants
from core.quantization.int8_dynamic import QUANT_TYPES
from core.records import Recipe


def to_int8_static(
    model: Path, recipe: Recipe, samples: CalibrationSamples, observations: Path
) -> onnx.ModelProto:
    """Quantizes a prepared FP32 model statically, in QDQ format.

    Args:
        model: Prepared FP32 ``.onnx`` file; the folder receives intermediate files.
        recipe: With method ``int8_static``.
        samples: Calibration samples; not read where an observation is stored.
        observations: Folder of what other recipes for the same model saw of its values; receives
            this one's.
    """
    output, ranges = model.with_suffix(".quantized.onnx"), model.with_suffix(".ranges.json")
    seen = observe(model, samples, observations, histograms=recipe.calibration != "minmax")
    quantized = _quantized_tensors(onnx.load(model, load_external_data=False), recipe)
    tensors = [name for name in seen if name in quantized]
    save_ranges(ranges, seen, tensors, recipe.calibration, recipe.percentile)
    quantize_static(
        model,
        output,
        None,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(recipe.op_types),
        per_channel=recipe.per_channel,
        reduce_range=recipe.reduce_range,
        activation_type=QUANT_TYPES[recipe.activation_type],
        weight_type=QUANT_TYPES[recipe.weight_type],
        nodes_to_exclude=list(recipe.left_in_float),
        calibrate_method=CalibrationMethod.MinMax,
        calibration_cache_path=ranges,
    )
    candidate = onnx.load(output)
    _leave_results_in_float(candidate, recipe)
    return candidate


def _quantized_tensors(model: onnx.ModelProto, recipe: Recipe) -> frozenset[str]:
    """What the nodes read and write that become integer."""
    nodes = [node for node in model.graph.node if _stays_integer(node, recipe)]
    return frozenset(name for node in nodes for name in (*node.input, *node.output))


def _leave_results_in_float(model: onnx.ModelProto, recipe: Recipe) -> None:
    """Removes the rounding of a matrix product that only float nodes, or the user, will read.

    The INT8 kernels of ``Gemm`` and ``MatMul`` can hand over float results, at no cost; logits
    rounded to 256 values would tie and swap classes for nothing.
    """
    graph = Graph(model)
    removed: set[str] = set()
    for node in graph.nodes:
        if node.op_type not in ("Gemm", "MatMul"):
            continue
        quantize = _only(graph.consumers[node.output[0]])
        if quantize is None or quantize.op_type != "QuantizeLinear":
            continue
        dequantize = _only(graph.consumers[quantize.output[0]])
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            continue
        result = dequantize.output[0]
        if any(_stays_integer(reader, recipe) for reader in graph.consumers[result]):
            continue
        node.output[0] = result
        removed |= {quantize.name, dequantize.name}
    kept = [node for node in model.graph.node if node.name not in removed]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    drop_unread_constants(model)


def _only(nodes: list[onnx.NodeProto]) -> onnx.NodeProto | None:
    return nodes[0] if len(nodes) == 1 else None


def _stays_integer(node: onnx.NodeProto, recipe: Recipe) -> bool:
    return node.op_type in recipe.op_types and node.name not in recipe.left_in_float
