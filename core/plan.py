"""Which steps an evaluation will take and how long each should last, for the progress display.

Rough on purpose: before the baseline was timed these are typical seconds; afterwards they
follow from its p50. Nothing but the display depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.decision.explain import recipe_title
from core.journal import PlannedStep
from core.protocol import MOST_TIMED, RUNS
from core.records import Recipe, Request, Splits

_TYPICAL_MS = 10.0
SWEEP_SHARE = 0.1
"""Part of the time budget that other threads and batch sizes may take."""
_TYPICAL_SPLITS = Splits(calibration=100, search=300, confirm=600)


def plan_steps(
    request: Request,
    recipes: Sequence[Recipe] | None = None,
    p50_ms: float = _TYPICAL_MS,
    splits: Splits = _TYPICAL_SPLITS,
    search: Sequence[PlannedStep] | None = None,
) -> tuple[PlannedStep, ...]:
    """Lists the steps with their expected seconds.

    Args:
        request: What was asked for.
        recipes: The recipes to be tried; None while they are not known.
        p50_ms: Latency of the baseline.
        splits: Sizes of the dataset's splits.
        search: The steps of the search, as far as it knows them; None: one for each recipe.
    """
    run = p50_ms / 1000
    count = 4 if recipes is None else min(len(recipes), MOST_TIMED)
    runs = RUNS[request.effort]
    gated = (splits.search + splits.confirm) * run
    sweep_s = SWEEP_SHARE * request.time_budget_s
    making = list(search or [make_step(recipe, p50_ms, splits) for recipe in recipes or ()])
    if recipes is None:
        making = [
            PlannedStep("candidates", "Make and check the candidates", count * (5 + 700 * run))
        ]
    return (
        PlannedStep("model", "Read the model", 3),
        PlannedStep("dataset", "Prepare the dataset", 5),
        PlannedStep("baseline", "Measure the baseline", 6 + gated + 600 * run),
        PlannedStep("recipes", "List the recipes", 1),
        *making,
        PlannedStep("latency", "Time all of them, interleaved", 10 + runs * run * (count + 2)),
        PlannedStep("footprint", "Cold start and memory", 5 + 12 * (count + 1) * (0.1 + run)),
        PlannedStep("confirm", "Confirm on unseen samples", 8 + runs * run * 3 + gated),
        *_repeated(recipes, splits, run),
        PlannedStep("sweep", "Other threads and batch sizes", min(5 + 3000 * run, sweep_s)),
    )


def _repeated(
    recipes: Sequence[Recipe] | None, splits: Splits, run: float
) -> tuple[PlannedStep, ...]:
    """The step that only a recipe with calibration samples has."""
    if recipes is not None and not any(
        recipe.method == "int8_static" or recipe.calibration_samples > 1 for recipe in recipes
    ):
        return ()
    seconds = 3 * (3 + (2 * splits.calibration + splits.confirm) * run)
    return (PlannedStep("draws", "Calibrate with other samples", seconds),)


def make_step(recipe: Recipe, p50_ms: float, splits: Splits) -> PlannedStep:
    """Making a candidate and gating it on *search*."""
    seconds = 5 + (splits.calibration * 2 + splits.search) * p50_ms / 1000
    return PlannedStep(f"make:{recipe.id}", title_of(recipe), seconds)


def check_step(recipe: Recipe, p50_ms: float, splits: Splits) -> PlannedStep:
    """Answering the rest of *search* after a first look."""
    title = f"Check {recipe_title(recipe)} on more samples"
    return PlannedStep(f"check:{recipe.id}", title, 2 + splits.search * p50_ms / 1000)


def blocks_step(p50_ms: float) -> PlannedStep:
    """Looking at what each block costs in accuracy and time."""
    return PlannedStep("blocks", "Find the blocks that cost accuracy or time", 10 + 2 * p50_ms)


def rank_step(candidates: int, p50_ms: float) -> PlannedStep:
    """Ranking more candidates than are timed in full."""
    seconds = candidates * (2 + 0.072 * p50_ms)
    return PlannedStep("rank", "Rank the candidates by speed", seconds)


def title_of(recipe: Recipe) -> str:
    """The step's title for people."""
    return f"Make and check {recipe_title(recipe)}"
