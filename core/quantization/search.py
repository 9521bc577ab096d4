"""The recipe search: what to try next, from what the recipes so far have shown.

The short list of :mod:`core.quantization.recipes` is tried first. Where its accuracy is not safe
yet, the most accurate static recipe is refined in stages, each of which builds on the best of the
one before: bias correction or smoothing, then ranges, then blocks left in FP32, those that cost
most accuracy first. Then, and also where accuracy never was the trouble, each convolution gets the
kernel that was faster, blocks that are slower in INT8 go back to FP32, and single scales for whole
layers are tried, with their channels evened out where that loses accuracy. What no stage mends may
still be stored in INT8 and computed in FP32.

Everything here is a function of rows and records, so an evaluation that resumes proposes what it
proposed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from core.quantization.int8_weight_only import weight_only
from core.quantization.sensitivity.measure import (
    costly_nodes,
    faster_as_products,
    slower_nodes,
)
from core.records import Calibration, Candidate, Method, ModelProfile, Recipe, Sensitivity

AccuracyStage = Literal["ranges", "corrections", "combinations", "selective"]
Stage = AccuracyStage | Literal["faster", "equalized", "storage"]
ACCURACY_STAGES: Final[tuple[AccuracyStage, ...]] = (
    "corrections",
    "ranges",
    "combinations",
    "selective",
)
"""In this order, until the accuracy is safe."""

_HISTOGRAM_RANGES: Final[tuple[Calibration, ...]] = ("percentile", "entropy", "mse")
_LOSS_SHARES: Final = (0.3, 0.5, 0.8)
"""Of the measured loss: what the blocks that a selective recipe leaves in FP32 cause together."""
_MOST_EQUALS: Final = 2
"""Recipes of the same accuracy that are made faster."""
_SMOOTH_ALPHA: Final = 0.5
"""Of Xiao et al., "SmoothQuant", 2023, for most models."""
_NOTES: Final[dict[Calibration, str]] = {
    "minmax": "",
    "percentile": "Clips the rarest activations, so that the others keep finer steps.",
    "entropy": "Clips activations where that keeps most of their information.",
    "mse": "Clips activations where that makes the squared rounding error least.",
}


def best_of(rows: Sequence[Candidate], method: Method) -> Candidate | None:
    """The most accurate candidate of a method on *search*, the earlier one where they tie.

    Speed does not enter: it differs from run to run, and the same request shall try the same.
    """
    able = [
        row
        for row in rows
        if row.recipe.method == method and row.search_accuracy is not None and row.sha256
    ]
    return min(able, key=accuracy_order, default=None)


def accuracy_order(row: Candidate) -> tuple[float, float]:
    """Sorts the most accurate first: by the upper bound of the drop, then by changed answers."""
    accuracy = row.search_accuracy
    if accuracy is None:
        return float("inf"), 1.0
    return accuracy.drop_points.high, -accuracy.agreement


def refine(
    stage: Stage,
    rows: Sequence[Candidate],
    profile: ModelProfile,
    sensitivity: Sensitivity | None,
) -> tuple[Recipe, ...]:
    """Lists what a stage adds to the recipes tried so far.

    Args:
        stage: Which.
        rows: All candidates so far, in the order they were tried.
        profile: Of the model.
        sensitivity: Of the best static recipe; None where it was not measured.

    Returns:
        Recipes whose settings are new; empty where the stage has nothing to offer.
    """
    tried = {_settings(row.recipe) for row in rows}
    found: dict[Recipe, Recipe] = {}
    for recipe in _stage(stage, rows, profile, sensitivity):
        if _settings(recipe) not in tried:
            found.setdefault(_settings(recipe), recipe)
    return tuple(found.values())


def _stage(
    stage: Stage,
    rows: Sequence[Candidate],
    profile: ModelProfile,
    sensitivity: Sensitivity | None,
) -> list[Recipe]:
    if stage == "storage":
        return [weight_only()]
    best = best_of(rows, "int8_static")
    if best is None:
        return []
    recipe = best.recipe
    if stage == "ranges":
        return [
            replace(recipe, id=f"{recipe.id}_{kind}", calibration=kind, note=_NOTES[kind])
            for kind in _HISTOGRAM_RANGES
        ]
    if stage in ("corrections", "combinations"):
        return _corrected(recipe, profile, [row.recipe for row in rows if row.sha256 is None])
    if stage == "equalized":
        return _equalized(rows, best)
    if sensitivity is None:
        return []
    if stage == "selective":
        # Blocks' shifts cancel one another: what remains once some are gone has to be corrected.
        corrected = (
            recipe if profile.family == "transformer" else replace(recipe, correct_bias=True)
        )
        return [
            _leaving(corrected, nodes, f"left{len(nodes)}", note)
            for share in _LOSS_SHARES
            if (nodes := costly_nodes(sensitivity, share))
            and (
                note := f"Leaves the {len(nodes)} nodes in FP32 that cause {share:.0%} of the loss."
            )
        ]
    return _faster(rows, best, sensitivity)


def _corrected(recipe: Recipe, profile: ModelProfile, failed: Sequence[Recipe]) -> list[Recipe]:
    """What is left to correct; not again what could not be done on this model."""
    if profile.family == "transformer":
        # Its layers' mean errors are near nothing: correcting them moved no figure measured.
        if recipe.smooth is not None or any(each.smooth is not None for each in failed):
            return []
        note = "Moves the activations' outliers into the weights first (SmoothQuant)."
        return [replace(recipe, id=f"{recipe.id}_smooth", smooth=_SMOOTH_ALPHA, note=note)]
    if recipe.correct_bias:
        return []
    note = "Takes the mean error of each class back out of the last layers' biases."
    return [replace(recipe, id=f"{recipe.id}_bias", correct_bias=True, note=note)]


def _faster(rows: Sequence[Candidate], best: Candidate, sensitivity: Sensitivity) -> list[Recipe]:
    """The same with the kernels and in the types that were faster, and with fewer scales."""
    equals = [
        row.recipe
        for row in rows
        if row.recipe.method == "int8_static" and accuracy_order(row) == accuracy_order(best)
    ]
    bases = equals[:_MOST_EQUALS]
    slower = slower_nodes(sensitivity)
    if slower:
        note = f"Leaves {len(slower)} nodes in FP32 that were slower in INT8."
        bases.append(_leaving(best.recipe, slower, "faster", note))
    bases += [_per_tensor(recipe) for recipe in bases if recipe.per_channel]
    products = faster_as_products(sensitivity)
    return [_as_products(recipe, products) for recipe in bases]


def _per_tensor(recipe: Recipe) -> Recipe:
    note = f"{recipe.note} One scale for all channels of a layer: a little faster, and less exact."
    return replace(recipe, id=f"{recipe.id}_per_tensor", per_channel=False, note=note.strip())


def _as_products(recipe: Recipe, products: Sequence[str]) -> Recipe:
    """A recipe with these convolutions, where it quantizes them, as matrix products."""
    im2col = tuple(name for name in products if name not in recipe.left_in_float)
    if not im2col:
        return recipe
    note = f"{recipe.note} As matrix products {len(im2col)} of its convolutions are faster."
    return replace(recipe, id=f"{recipe.id}_im2col", im2col=im2col, note=note.strip())


def _equalized(rows: Sequence[Candidate], best: Candidate) -> list[Recipe]:
    """The best with a scale per layer, where that is what costs it accuracy."""
    row = best_of([row for row in rows if not row.recipe.per_channel], "int8_static")
    if row is None or row.recipe.equalize or accuracy_order(row) <= accuracy_order(best):
        return []
    note = "Evens out the channels of adjacent layers first, which leaves finer steps to most."
    return [replace(row.recipe, id=f"{row.id}_equalized", equalize=True, note=note)]


def _leaving(recipe: Recipe, nodes: Sequence[str], suffix: str, note: str) -> Recipe:
    left = tuple(dict.fromkeys((*recipe.left_in_float, *nodes)))
    return replace(recipe, id=f"{recipe.id}_{suffix}", left_in_float=left, note=note)


def _settings(recipe: Recipe) -> Recipe:
    """A recipe without what only people read, to tell whether two make the same."""
    return replace(recipe, id="", note="", left_in_float=tuple(sorted(recipe.left_in_float)))
