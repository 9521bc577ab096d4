"""Lists the recipes worth trying on a model: an expert's short list for its family."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from core.quantization.graph import Graph
from core.quantization.hardware import dynamic_types, static_types
from core.quantization.preprocess import preprocess
from core.quantization.recurrent import dynamic_variants, stored_variant
from core.quantization.rewrites.fuse import fuse
from core.quantization.selective import (
    outer_layers,
    side_branches,
    weight_bytes,
)
from core.records import BadInput, Method, ModelProfile, Recipe

_ORDER: tuple[Method, ...] = ("float16", "int8_dynamic", "int8_weight_only", "int8_static")
_MOST_LEFT = 0.5
"""Of the weights; a static recipe that leaves more in FP32 has little left to gain."""

# onnxruntime's CPU provider has INT8 kernels for these, or they only move data. Not here:
# Softmax and the normalisations (wrong or slower in INT8), Gather, Where, TopK (nothing to gain).
_STATIC_EVERYWHERE = (
    *("Add", "AveragePool", "Clip", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool"),
    *("LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "Relu", "Reshape", "Resize", "Sigmoid"),
    *("Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
)
# Adding an attention mask of -10000 would stretch a range until nothing else is left in it.
_STATIC_LAYERS = ("Clip", "Conv", "Gemm", "MatMul", "Relu")
_DYNAMIC_LAYERS = ("Attention", "EmbedLayerNormalization", "Gather", "LSTM", "MatMul")

_FAMILIES_STORED = ("transformer", "rnn")
_BLOCK = 128
"""Weights that share a scale in ``MatMulNBits``; of 32 to 256 the fastest on AVX512."""
_FUSED_NOTE = "Attention is one operator, whose three projections are one INT8 matrix."
_BLOCKS_NOTE = "Keeps the weights in INT8 in memory too, and multiplies them block by block."

_FLOAT16_NOTE = "Half the file; FP16 is for GPUs, on a CPU it is rarely faster."
_DYNAMIC_CNN_NOTE = (
    "Dynamic quantization is usually the wrong method for a CNN: expect it to be slower, and do "
    "not conclude from it that quantization does not help."
)


def plan_recipes(
    model: Path,
    profile: ModelProfile,
    machine_flags: tuple[str, ...],
    architecture: str,
    methods: tuple[Method, ...] | None,
    calibration_samples: int,
) -> tuple[Recipe, ...]:
    """Lists the recipes to try, cheap ones first.

    Args:
        model: The ``.onnx`` file.
        profile: What is known of it.
        machine_flags: Flags of the CPU that will serve the model; they decide integer types.
        architecture: Of that CPU.
        methods: Those asked for; None: all that make sense for the family.
        calibration_samples: How many samples there are to calibrate with.

    Returns:
        Complete recipes whose ids are unique: FP16, INT8 dynamic, INT8 static, and selective
        variants of the INT8 ones where there is something that may be better left in FP32. Empty
        for tree ensembles and for models that are quantized or FP16 already.

    Raises:
        BadInput: The model is too large to be rewritten.
    """
    if profile.family == "tree_ensemble" or profile.precision != "float32":
        return ()
    wanted = [method for method in _ORDER if methods is None or method in methods]
    if not wanted:
        return ()
    graph = Graph(preprocess(model))
    recipes: list[Recipe] = []
    for method in wanted:
        if method == "float16":
            recipes.append(Recipe(id="float16", method="float16", note=_FLOAT16_NOTE))
        elif method == "int8_dynamic":
            recipes += _dynamic(graph, profile, machine_flags, architecture, calibration_samples)
        elif method == "int8_weight_only":
            recipes += _stored(graph, profile, asked=methods is not None)
        else:
            recipes += _static(graph, profile, machine_flags, architecture, calibration_samples)
    return tuple(recipes)


def _dynamic(
    graph: Graph,
    profile: ModelProfile,
    flags: Collection[str],
    architecture: str,
    calibration_samples: int,
) -> list[Recipe]:
    convolutions = [node.name for node in graph.nodes if node.op_type == "Conv"]
    # Few convolutions before a large rest (a transformer's patches) are better left alone than
    # have their unsigned weights forced on everything.
    mostly = weight_bytes(graph, convolutions) > weight_bytes(graph) / 2
    types = dynamic_types(flags, architecture, convolutions=mostly)
    recipe = Recipe(
        id="int8_dynamic",
        method="int8_dynamic",
        activation_type=types.activation,
        weight_type=types.weight,
        reduce_range=types.reduce_range,
        op_types=tuple(sorted((*_DYNAMIC_LAYERS, "Conv"))) if mostly else _DYNAMIC_LAYERS,
        note=_DYNAMIC_CNN_NOTE if profile.family == "cnn" else "",
    )
    if profile.family == "transformer" and _can_fuse(graph):
        return [recipe, replace(recipe, id="int8_dynamic_fused", fuse=True, note=_FUSED_NOTE)]
    return [recipe, *dynamic_variants(graph, recipe, calibration_samples)]


def _can_fuse(graph: Graph) -> bool:
    try:
        fuse(graph.model)
    except BadInput:
        return False
    return True


def _stored(graph: Graph, profile: ModelProfile, *, asked: bool) -> list[Recipe]:
    """Weight-only recipes, where reading the weights is much of the work or they were asked for."""
    if not asked and profile.family not in _FAMILIES_STORED:
        return []
    stored = stored_variant(graph)
    if profile.family != "transformer":
        return [stored]
    blocks = replace(stored, id="int8_weight_only_blocks", block_size=_BLOCK, note=_BLOCKS_NOTE)
    return [stored, blocks]


def _static(
    graph: Graph,
    profile: ModelProfile,
    flags: Collection[str],
    architecture: str,
    calibration_samples: int,
) -> list[Recipe]:
    types = static_types(flags, architecture)
    everywhere = profile.family in ("cnn", "mlp")
    recipe = Recipe(
        id="int8_static",
        method="int8_static",
        activation_type=types.activation,
        weight_type=types.weight,
        reduce_range=types.reduce_range,
        calibration_samples=calibration_samples,
        op_types=_STATIC_EVERYWHERE if everywhere else _STATIC_LAYERS,
    )
    if profile.family not in ("cnn", "other"):
        return [recipe]
    outer, branches = outer_layers(graph), side_branches(graph)
    variants = [("int8_static_selective", outer)]
    if branches:
        variants.append(("int8_static_side_branches", outer | branches))
    return [recipe, *_leaving(recipe, graph, variants)]


def _leaving(
    recipe: Recipe, graph: Graph, variants: Iterable[tuple[str, dict[str, tuple[str, ...]]]]
) -> Iterator[Recipe]:
    """Variants of a static recipe that leave these parts in FP32, where that leaves enough."""
    for name, parts in variants:
        wanted = frozenset(node for part in parts.values() for node in part)
        left = tuple(node.name for node in graph.nodes if node.name in wanted)
        if left and _left_share(graph, left) <= _MOST_LEFT:
            words = f"Leaves {_list(parts)} in FP32: little work, and much of the accuracy."
            yield replace(recipe, id=name, left_in_float=left, note=words)


def _list(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _left_share(graph: Graph, names: tuple[str, ...]) -> float:
    return weight_bytes(graph, names) / max(weight_bytes(graph), 1)
