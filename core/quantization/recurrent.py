"""Recurrent models: dynamic INT8 with each LSTM in or out or its input smoothed, or weights only.

onnxruntime computes an LSTM in INT8 with one range for its whole input at each run, and feeds its
own rounded state back at each step: what one layer loses, the later ones and all later steps
build on. Often one layer is to blame, and most of the gain survives without it. Often, too, it is
the first one, because features of unlike units share that range; evened out beforehand, as
SmoothQuant does for transformers, they lose nothing. There is no INT8 kernel for GRU and RNN;
their weights can still be stored in INT8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from onnx import NodeProto

from core.quantization.graph import Graph
from core.quantization.int8_weight_only import weight_only
from core.quantization.rewrites.smooth_lstm import smoothable_inputs
from core.quantization.selective import weight_bytes
from core.records import Recipe

_MOST_LEFT = 0.9
"""Of all weight bytes; a recipe that leaves more in FP32 has nothing left to gain."""
_MOST_SINGLE = 4
"""Layers that are each left out alone: a stack of more is tried as a whole."""
_FLOAT_ONLY = ("GRU", "RNN")
_ALL_TO_WEIGHTS = 1.0
"""SmoothQuant's alpha: an LSTM's weights have a scale per row, its input has one in all."""


def dynamic_variants(
    graph: Graph, recipe: Recipe, calibration_samples: int = 0
) -> tuple[Recipe, ...]:
    """Lists what else is worth trying on LSTMs than plain dynamic INT8.

    Args:
        graph: Of the prepared model, its nodes named.
        recipe: Dynamic, per channel, with nothing left in FP32.
        calibration_samples: How many there are to smooth with; 0: do not smooth.

    Returns:
        ``recipe`` with one scale per layer (a little faster) and with smoothed inputs in both
        forms; then, where enough is left to gain, it without any LSTM and without each of the
        largest alone, in descending size. Ids are those of ``recipe`` with a suffix; a layer's
        number is its place in the graph, from 1. Empty for a graph without LSTMs.
    """
    layers = [node for node in graph.nodes if node.op_type == "LSTM"]
    if not layers:
        return ()
    recipes = [_per_layer(recipe)]
    if calibration_samples and smoothable_inputs(graph.model):
        smoothed = replace(
            recipe,
            id=f"{recipe.id}_smooth",
            smooth=_ALL_TO_WEIGHTS,
            calibration_samples=calibration_samples,
            note="Evens out the features that LSTMs read, so that the small ones are not lost "
            "beside the large ones.",
        )
        recipes += [smoothed, _per_layer(smoothed)]
    return (*recipes, *_leaving_out(graph, recipe, layers))


def stored_variant(graph: Graph) -> Recipe:
    """Weight-only, with a note where nothing else makes recurrent layers smaller."""
    recipe = weight_only()
    kinds = [kind for kind in _FLOAT_ONLY if any(node.op_type == kind for node in graph.nodes)]
    if not kinds:
        return recipe
    words = (
        f"onnxruntime has no INT8 kernel for {' and '.join(kinds)}, so dynamic quantization does "
        "not touch these layers; storing their weights in INT8 is what makes this model smaller."
    )
    return replace(recipe, note=words)


def _per_layer(recipe: Recipe) -> Recipe:
    words = "One scale for all weights of a layer: a little faster, and less exact."
    note = f"{recipe.note} {words}".strip()
    return replace(recipe, id=f"{recipe.id}_per_layer", per_channel=False, note=note)


def _leaving_out(graph: Graph, recipe: Recipe, layers: list[NodeProto]) -> Iterator[Recipe]:
    if _is_worth_it(graph, layers):
        yield replace(
            recipe,
            id=f"{recipe.id}_without_lstms",
            left_in_float=_names(layers),
            note="Leaves every LSTM in FP32: rounding errors add up over their steps.",
        )
    if len(layers) == 1:
        return
    numbered = sorted(
        enumerate(layers, 1), key=lambda layer: -weight_bytes(graph, _names([layer[1]]))
    )
    for number, layer in numbered[:_MOST_SINGLE]:
        if _is_worth_it(graph, [layer]):
            yield replace(
                recipe,
                id=f"{recipe.id}_without_{number}",
                left_in_float=_names([layer]),
                note=f"Leaves LSTM {number} of {len(layers)} in FP32: often one layer causes "
                "most of the loss.",
            )


def _is_worth_it(graph: Graph, left: list[NodeProto]) -> bool:
    share = weight_bytes(graph, _names(left)) / max(weight_bytes(graph), 1)
    return bool(left) and share <= _MOST_LEFT


def _names(layers: list[NodeProto]) -> tuple[str, ...]:
    return tuple(layer.name for layer in layers)
