"""The steps of an evaluation, each from records to a record; :mod:`core.evaluation` orders them.

What touches a byte of the user's runs in the sandbox; the code here tells it what to do and
puts the answers together.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from core import sandbox
from core.accuracy import (
    Predictions,
    baseline_accuracy,
    check_baseline,
    paired_accuracy,
    predict,
)
from core.bench import BASELINE, Baseline, Bench, Comparison, Footprint
from core.datasets import prepare
from core.finder import find_preprocessing
from core.measurement import (
    LatencyResult,
    fingerprint,
    measure_cold_starts,
    measure_latency,
    measure_peak_rss,
)
from core.quantization import MadeModel, make_candidate, plan_recipes
from core.records import (
    Accuracy,
    BadInput,
    Candidate,
    Finding,
    ModelProfile,
    PreparedData,
    Recipe,
    Report,
    Request,
    SplitName,
)

_log = logging.getLogger(__name__)


def prepare_data(
    source: Path, profile: ModelProfile, data: Path, request: Request, folder: Path, report: Report
) -> PreparedData:
    """Preprocesses the dataset once, with the preprocessing asked for or found."""
    preprocessing = request.preprocessing
    if preprocessing is None:
        found = find_preprocessing(
            source, profile, data, request.deployment, request.seed, folder, part(report, 0.0, 0.4)
        )
        preprocessing = found.best
    return sandbox.call(
        prepare,
        data,
        profile,
        preprocessing,
        folder / "prepared",
        request.seed,
        report=part(report, 0.4, 0.6),
    )


def prepare_again(bench: Bench, data: Path) -> PreparedData:
    """Makes the files of a checkpointed preparation anew, where they are gone."""
    return sandbox.call(
        prepare,
        data,
        bench.profile,
        bench.prepared.profile.preprocessing,
        bench.folder / "prepared",
        bench.request.seed,
    )


def measure_baseline(bench: Bench, report: Report) -> Baseline:
    """Answers of the user's own file on *search* and *confirm*, and its latency, alone."""
    search = answers_of(bench, bench.model, "search", part(report, 0.0, 0.3))
    confirm = answers_of(bench, bench.model, "confirm", part(report, 0.3, 0.3))
    labels = [*labels_of(bench, "search"), *labels_of(bench, "confirm")]
    latency = measure_latency(
        {BASELINE.id: bench.model},
        bench.prepared,
        bench.request.deployment,
        effort="quick",
        seed=bench.request.seed,
        budget_s=bench.request.time_budget_s / 10,
        report=part(report, 0.6, 0.4),
    )
    return Baseline(
        search,
        confirm,
        check_baseline(
            search.join(confirm),
            labels,
            bench.prepared.profile.classes,
            expected_accuracy=bench.request.expected_accuracy,
        ),
        latency,
    )


def explain_baseline(profile: ModelProfile, baseline: Baseline) -> tuple[Finding, ...]:
    """What was found of the baseline's answers; first what is wrong with the file, if they are."""
    if baseline.plausible:
        return baseline.findings
    causes = tuple(finding for finding in profile.findings if finding.severity == "error")
    return causes + baseline.findings


def list_recipes(bench: Bench) -> tuple[Recipe, ...]:
    """The recipes worth trying on this model, on this machine, cheap ones first."""
    machine = fingerprint(bench.request.deployment)
    return sandbox.call(
        plan_recipes,
        bench.model,
        bench.profile,
        machine.flags,
        machine.architecture,
        bench.request.methods,
        bench.prepared.profile.splits.calibration,
    )


def baseline_candidate(bench: Bench, baseline: Baseline) -> Candidate:
    """The baseline as the first row of every comparison."""
    accuracy = baseline_accuracy(
        labels_of(bench, "search"),
        baseline.search.classes,
        split="search",
        ranks=baseline.search.ranks,
    )
    return Candidate(
        id=BASELINE.id,
        recipe=BASELINE,
        status="measured",
        reason=" ".join(finding.sentence for finding in baseline.findings),
        sha256=bench.profile.sha256,
        size_bytes=bench.profile.size_bytes,
        accuracy=accuracy,
        search_accuracy=accuracy,
    )


def compare_latency(
    bench: Bench, candidates: Sequence[Candidate], budget_s: float, report: Report
) -> Comparison:
    """Times the baseline and every candidate that runs, wherever its accuracy lies.

    A candidate that failed the accuracy gate is timed too: "twice as fast, but it loses five
    points" is an answer, "it loses five points" is half of one.
    """
    latency = measure_latency(
        paths_of(bench, candidates),
        bench.prepared,
        bench.request.deployment,
        effort=bench.request.effort,
        seed=bench.request.seed,
        budget_s=budget_s,
        report=report,
        samples_file=bench.folder / "raw" / "latency.parquet",
    )
    return as_compared(bench, latency)


def as_compared(bench: Bench, latency: LatencyResult) -> Comparison:
    """Latencies with the machine they were measured on."""
    machine = fingerprint(bench.request.deployment)
    return Comparison(
        replace(machine, noise=latency.noise, findings=machine.findings + latency.findings), latency
    )


def measure_footprint(bench: Bench, candidates: Sequence[Candidate], report: Report) -> Footprint:
    """Cold start in fresh processes, and peak memory, of whatever was timed.

    No verdict rests on them: where they cannot be measured they are missing, and that is all.
    """
    paths = paths_of(bench, candidates)
    deployment = bench.request.deployment
    try:
        return Footprint(
            measure_cold_starts(
                paths,
                bench.prepared,
                deployment,
                bandwidth_mbps=bench.request.policy.bandwidth_mbps,
                seed=bench.request.seed,
                report=part(report, 0.0, 0.7),
                size_bytes={BASELINE.id: bench.profile.size_bytes},
            ),
            measure_peak_rss(paths, bench.prepared, deployment, report=part(report, 0.7, 0.3)),
        )
    except (BadInput, sandbox.SandboxFailure) as failure:
        _log.warning("Cold start and memory were not measured: %s", failure)
        return Footprint({}, {})


def with_measurements(
    candidate: Candidate, comparison: Comparison, footprint: Footprint
) -> Candidate:
    """Adds what was measured to a candidate's row."""
    return replace(
        candidate,
        latency=comparison.latency.latencies.get(candidate.id),
        cold_start_ms=footprint.cold_starts.get(candidate.id),
        peak_rss_bytes=footprint.peak_rss_bytes.get(candidate.id),
    )


def write_candidate(bench: Bench, recipe: Recipe, report: Report) -> MadeModel:
    """Makes the file of a recipe; the same bytes each time."""
    return make_file(bench, recipe, bench.path_of(recipe.id), bench.request.seed, report)


def write_missing(bench: Bench, rows: Sequence[Candidate], report: Report) -> None:
    """Makes candidates' files anew where they are gone, as on another machine."""
    for row in rows:
        if row.file is not None and not bench.path_of(row.id).exists():
            write_candidate(bench, row.recipe, report)


def make_file(bench: Bench, recipe: Recipe, target: Path, seed: int, report: Report) -> MadeModel:
    """Makes a recipe's model into a file; the seed decides which samples calibrate it."""
    return sandbox.call(
        make_candidate,
        bench.model,
        recipe,
        bench.prepared,
        target,
        seed,
        bench.request.deployment,
        report=report,
    )


def labels_of(bench: Bench, split: SplitName) -> list[int]:
    """The true classes of a split."""
    labels: list[int] = sandbox.load_labels(bench.prepared, split).tolist()
    return labels


def answers_of(
    bench: Bench,
    model: Path,
    split: SplitName,
    report: Report,
    first: int = 0,
    last: int | None = None,
) -> Predictions:
    """A model's answers on a split or a part of it, under the deployment's options."""
    return sandbox.call(
        predict,
        model,
        bench.prepared,
        split,
        bench.request.deployment,
        first=first,
        last=last,
        report=report,
    )


def accuracy_on(
    bench: Bench, split: Literal["search", "confirm"], baseline: Predictions, candidate: Predictions
) -> Accuracy:
    """A candidate's accuracy on a split, or on its first samples, gated under the policy."""
    return paired_accuracy(
        labels_of(bench, split)[: len(candidate.classes)],
        baseline.classes,
        candidate.classes,
        split=split,
        threshold_points=bench.request.policy.max_drop_points,
        confidence=bench.request.policy.confidence,
        baseline_ranks=baseline.ranks,
        ranks=candidate.ranks,
    )


def part(report: Report, start: float, share: float) -> Report:
    """A report whose 0..1 is a part of another's."""
    return lambda fraction, words: report(start + share * fraction, words)


def paths_of(bench: Bench, candidates: Sequence[Candidate]) -> dict[str, Path]:
    """The files of the baseline and of the candidates that were made, by id."""
    return {BASELINE.id: bench.model} | {
        candidate.id: bench.folder / candidate.file
        for candidate in candidates
        if candidate.file is not None
    }
