"""The last steps of an evaluation: the chosen candidate on unseen samples, and how steady it is.

Each from records to a record; :mod:`core.evaluation` orders them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

from core import sandbox
from core.accuracy import (
    Predictions,
    baseline_accuracy,
    bound_and_gate,
    count_flips,
    gate_together,
)
from core.bench import BASELINE, Baseline, Bench, Confirmation, SharedGate
from core.measurement import measure_latency, measure_sweep
from core.records import (
    BadInput,
    Candidate,
    Estimate,
    Recipe,
    Report,
    SplitName,
    SweepPoint,
)
from core.steps import accuracy_on, answers_of, labels_of, make_file, part, paths_of

CALIBRATION_DRAWS = 3
"""Draws of half of the calibration samples each, whose ranges are tried beside the full ones."""

CONFIRM: tuple[SplitName, ...] = ("confirm",)
BOTH: tuple[SplitName, ...] = ("search", "confirm")

_log = logging.getLogger(__name__)


def gate_on_all(
    bench: Bench, candidates: Sequence[Candidate], baseline: Baseline, report: Report
) -> SharedGate:
    """Gates every candidate in the running on *search* and *confirm* together."""
    running = in_the_running(candidates)
    share = 1 / max(len(running), 1)
    before = _of_baseline(baseline, BOTH)
    after = {
        row.id: _answers(bench, bench.path_of(row.id), BOTH, part(report, number * share, share))
        for number, row in enumerate(running)
    }
    labels, policy = _labels(bench, BOTH), bench.request.policy
    return SharedGate(
        baseline_accuracy(labels, before.classes, split="search+confirm", ranks=before.ranks),
        gate_together(
            labels,
            before,
            after,
            threshold_points=policy.max_drop_points,
            confidence=policy.confidence,
            made=count_made(candidates),
        ),
    )


def in_the_running(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that were made and did not fail on *search*."""
    return [row for row in candidates if row.id != BASELINE.id and row.status == "measured"]


def count_made(candidates: Sequence[Candidate]) -> int:
    """How many candidates were made, also those that failed on *search*."""
    return sum(row.sha256 is not None and row.id != BASELINE.id for row in candidates)


def with_shared_gate(candidate: Candidate, gate: SharedGate) -> Candidate:
    """A row with what was found on *search* and *confirm* together."""
    found = gate.baseline if candidate.id == BASELINE.id else gate.candidates.get(candidate.id)
    return candidate if found is None else replace(candidate, accuracy=found)


def confirm_candidate(
    bench: Bench,
    chosen: Candidate,
    baseline: Baseline,
    gate: SharedGate | None,
    budget_s: float,
    report: Report,
) -> Confirmation:
    """Gates the chosen candidate once on *confirm*, and times it against the baseline anew.

    Where all candidates were gated together, *confirm* has been looked at; that gate stands.
    """
    if gate is None:
        before = baseline.confirm
        after = answers_of(bench, bench.path_of(chosen.id), "confirm", part(report, 0.0, 0.3))
        labels = labels_of(bench, "confirm")
        ours = baseline_accuracy(labels, before.classes, split="confirm", ranks=before.ranks)
        theirs = accuracy_on(bench, "confirm", before, after)
    else:
        ours, theirs = gate.baseline, gate.candidates[chosen.id]
    latency = measure_latency(
        paths_of(bench, [chosen]),
        bench.prepared,
        bench.request.deployment,
        effort=bench.request.effort,
        seed=bench.request.seed + 1,
        budget_s=budget_s,
        report=part(report, 0.3, 0.7),
        samples_file=bench.folder / "raw" / "confirm.parquet",
    )
    return Confirmation(ours, theirs, latency)


def with_confirmation(
    candidate: Candidate, chosen: str, confirmation: Confirmation, draws: Sequence[Estimate]
) -> Candidate:
    """The chosen candidate and the baseline carry the figures that the verdict rests on."""
    if candidate.id not in (chosen, BASELINE.id):
        return candidate
    is_chosen = candidate.id == chosen
    return replace(
        candidate,
        accuracy=confirmation.accuracy if is_chosen else confirmation.baseline_accuracy,
        latency=confirmation.latency.latencies[candidate.id],
        calibration_draws=tuple(draws) if is_chosen else (),
    )


def can_redraw(recipe: Recipe) -> bool:
    """Whether a recipe depends on which samples calibrate it, and there are some to choose from."""
    return recipe.calibration_samples > 1


def redraw_calibration(
    bench: Bench, recipe: Recipe, baseline: Baseline, splits: Sequence[SplitName], report: Report
) -> tuple[Estimate, ...]:
    """The drop on the gated samples of the same recipe, calibrated with other samples.

    Each draw is half of the calibration split: halves differ more from one another than whole
    draws would, so what holds for all of them holds for the file that is shipped.

    Args:
        bench: What the evaluation works on.
        recipe: Of the chosen candidate.
        baseline: Its answers.
        splits: Those that the chosen candidate was gated on.
        report: Told the progress.

    Returns:
        One drop in points a draw; empty where a draw could not be made, which decides nothing.
    """
    half = replace(recipe, calibration_samples=recipe.calibration_samples // 2)
    target = bench.folder / "draws" / "candidate.onnx"
    labels, before = _labels(bench, splits), _of_baseline(baseline, splits)
    policy, share = bench.request.policy, 1 / CALIBRATION_DRAWS
    drops = []
    try:
        for number in range(CALIBRATION_DRAWS):
            making = part(report, number * share, share / 2)
            make_file(bench, half, target, bench.request.seed + 1 + number, making)
            answering = part(report, (number + 0.5) * share, share / 2)
            after = _answers(bench, target, splits, answering)
            lost, won = count_flips(labels, before.classes, after.classes)
            drop, _ = bound_and_gate(
                lost, won, len(labels), policy.max_drop_points, policy.confidence
            )
            drops.append(drop)
    except (BadInput, sandbox.SandboxFailure) as failure:
        _log.warning("The calibration was not repeated: %s", failure)
        return ()
    finally:
        target.unlink(missing_ok=True)
    return tuple(drops)


def sweep(
    bench: Bench,
    candidates: Sequence[Candidate],
    chosen: str | None,
    budget_s: float,
    report: Report,
) -> tuple[SweepPoint, ...]:
    """Other threads and batch sizes for the baseline and one candidate.

    The one that was chosen, or, where none was, the fastest. No outcome rests on them: where
    they cannot be measured they are missing, and that is all.
    """
    speedups = {
        row.id: row.latency.speedup.ratio
        for row in candidates
        if row.latency is not None and row.id != BASELINE.id
    }
    compared = chosen or max(speedups, key=speedups.__getitem__, default=None)
    try:
        return measure_sweep(
            paths_of(bench, [row for row in candidates if row.id == compared]),
            bench.prepared,
            bench.request.deployment,
            seed=bench.request.seed,
            budget_s=budget_s,
            report=report,
        )
    except (BadInput, sandbox.SandboxFailure) as failure:
        _log.warning("Threads and batch sizes were not swept: %s", failure)
        return ()


def _of_baseline(baseline: Baseline, splits: Sequence[SplitName]) -> Predictions:
    """The baseline's answers on the gated splits, in the order of the samples."""
    return baseline.search.join(baseline.confirm) if "search" in splits else baseline.confirm


def _answers(bench: Bench, path: Path, splits: Sequence[SplitName], report: Report) -> Predictions:
    share = 1 / len(splits)
    first, *others = (
        answers_of(bench, path, split, part(report, number * share, share))
        for number, split in enumerate(splits)
    )
    return reduce(Predictions.join, others, first)


def _labels(bench: Bench, splits: Sequence[SplitName]) -> list[int]:
    return [label for split in splits for label in labels_of(bench, split)]
