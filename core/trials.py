"""The steps in which recipes are tried: each from records to a record, a failure is a row.

What touches a byte of the user's runs in the sandbox; :mod:`core.search` decides what is tried.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from core import sandbox
from core.accuracy import Predictions
from core.bench import Baseline, Bench, Trial, file_of
from core.quantization import measure_blocks
from core.records import Accuracy, BadInput, Candidate, Recipe, Report, Sensitivity
from core.steps import accuracy_on, answers_of, part, write_candidate, write_missing

_log = logging.getLogger(__name__)


def try_recipe(
    bench: Bench, recipe: Recipe, baseline: Baseline, first: int, on_all: bool, report: Report
) -> Trial:
    """Makes one candidate and gates it on the first samples of *search*; a failure is a row.

    Args:
        bench: What the evaluation works on.
        recipe: What to make.
        baseline: Its answers.
        first: Samples after which a candidate that is beyond saving is given up.
        on_all: Whether another one goes on to the end of the split at once.
        report: Told the progress.
    """
    path = bench.path_of(recipe.id)
    try:
        made = write_candidate(bench, recipe, part(report, 0.0, 0.6))
        answers = answers_of(bench, path, "search", part(report, 0.6, 0.1), last=first)
    except (BadInput, sandbox.SandboxFailure) as failure:
        return Trial(failed(recipe, str(failure)), None)
    row = Candidate(
        id=recipe.id,
        recipe=recipe,
        status="measured",
        reason=made.note,
        sha256=made.sha256,
        size_bytes=made.size_bytes,
        file=file_of(recipe.id),
    )
    trial = _judged(bench, row, baseline, answers)
    if on_all and trial.candidate.status == "measured":
        return Trial(answer_the_rest(bench, trial, baseline, part(report, 0.7, 0.3)), None)
    return trial


def answer_the_rest(bench: Bench, trial: Trial, baseline: Baseline, report: Report) -> Candidate:
    """Gates a candidate on all of *search*, from its first answers and the rest."""
    row, answers = trial.candidate, trial.answers
    if answers is None or len(answers.classes) == len(baseline.search.classes):
        return row
    try:
        write_missing(bench, [row], report)
        rest = answers_of(
            bench, bench.path_of(row.id), "search", report, first=len(answers.classes)
        )
    except (BadInput, sandbox.SandboxFailure) as failure:
        return failed(row.recipe, str(failure))
    return _judged(bench, row, baseline, answers.join(rest)).candidate


def _judged(bench: Bench, row: Candidate, baseline: Baseline, answers: Predictions) -> Trial:
    """A row with its accuracy on as many samples of *search* as it has answered."""
    if not answers.finite:
        return Trial(failed(row.recipe, "Its outputs contain NaN or infinite values."), None)
    before = baseline.search.first(len(answers.classes))
    accuracy = accuracy_on(bench, "search", before, answers)
    row = replace(row, accuracy=accuracy, search_accuracy=accuracy)
    if accuracy.gate == "fail":
        row = replace(row, status="rejected", reason=_rejection(accuracy, bench))
    return Trial(row, answers)


def failed(recipe: Recipe, reason: str) -> Candidate:
    """The row of a recipe that there is no candidate of."""
    return Candidate(id=recipe.id, recipe=recipe, status="failed", reason=reason)


def look_at_blocks(
    bench: Bench, row: Candidate, budget_s: float, report: Report
) -> Sensitivity | None:
    """What each block of a static candidate costs; None where that cannot be measured."""
    try:
        write_missing(bench, [row], report)
        return sandbox.call(
            measure_blocks,
            bench.model,
            bench.path_of(row.id),
            row.recipe,
            bench.prepared,
            bench.request.deployment,
            bench.request.seed,
            budget_s,
            report=report,
        )
    except (BadInput, sandbox.SandboxFailure) as failure:
        _log.warning("The blocks were not looked at: %s", failure)
        return None


def out_of_time(recipe: Recipe) -> Candidate:
    """The row of a recipe that the time budget left no room for."""
    return failed(recipe, "Not tried: the time budget left no room for it.")


def _rejection(accuracy: Accuracy, bench: Bench) -> str:
    allowed = bench.request.policy.max_drop_points
    return (
        f"Loses at least {accuracy.drop_points.low:.1f} points of accuracy on "
        f"{accuracy.samples} search samples; the policy allows {allowed:g}."
    )
