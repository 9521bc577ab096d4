"""Latency by interleaved rounds: the baseline, the baseline again, and every candidate.

The protocol: a pilot of 20 runs of each model decides what fits the time budget. Then fresh
processes, one after the other, each load all models and warm them up (10 runs and a second at
least, discarded), and go through their rounds. In a round every model has its turn of timed
runs, in an order drawn anew; so whatever the machine does, it does it to all of them. The
baseline is in it twice, loaded separately: what these two differ by is what this machine, now,
cannot tell apart (the A/A check).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.measurement import statistics
from core.measurement.cores import pinned_cores
from core.measurement.limits import patient_limits
from core.measurement.lock import machine_lock
from core.measurement.noise import describe, noise_between, read_counters
from core.measurement.rounds import GroupRecord, pilot, run_group
from core.measurement.schedule import Schedule, plan, runs_wanted
from core.measurement.statistics import Samples
from core.measurement.summary import MIN_RUNS_FOR_P99, check_itself, summarise
from core.records import (
    AACheck,
    Deployment,
    Effort,
    Finding,
    Latency,
    Noise,
    PreparedData,
    Report,
)
from core.sandbox import call

BASELINE = "baseline"
AGAIN = "baseline_again"
_OPENING = "opening the models"
_PILOT_SHARE = 0.05  # of the progress


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyResult:
    """What one measurement of latency found."""

    latencies: dict[str, Latency]
    """By the name of the model, as it was given."""
    aa_check: AACheck
    noise: Noise
    findings: tuple[Finding, ...]


def measure_latency(
    models: Mapping[str, Path],
    prepared: PreparedData,
    deployment: Deployment,
    *,
    effort: Effort,
    seed: int,
    budget_s: float,
    report: Report,
    samples_file: Path | None = None,
) -> LatencyResult:
    """Measures the latency of a baseline and its candidates against one another.

    Waits for its turn on this machine first.

    Args:
        models: Files by name; ``"baseline"`` must be one of them.
        prepared: The samples they are fed, as batches of the deployment's size.
        deployment: Threads and batch size.
        effort: How many runs.
        seed: Decides orders and resamples, not times.
        budget_s: Seconds that all of it may take, the wait apart. Where that is too little,
            there are fewer runs, and findings say what is missing.
        report: Told the progress; if it raises, the measurement stops.
        samples_file: Where all samples are kept, if anywhere: Parquet with the columns ``model``
            (``baseline_again`` is the A/A check's), ``group`` (process), ``round``, ``run``,
            each from 0, and ``ms``.

    Raises:
        BadInput: A model does not run on these samples.
        SandboxFailure: A process crashed or needed too much.
    """
    files = {BASELINE: models[BASELINE], AGAIN: models[BASELINE], **models}
    cores = pinned_cores(deployment.threads)
    with machine_lock(report):
        costs = call(
            pilot,
            files,
            prepared,
            deployment,
            limits=patient_limits(budget_s, deployment.threads),
            report=part(report, 0.0, _PILOT_SHARE),
            cpus=cores,
        )
        pilot_s = sum(cost.open_s + 25 * cost.run_s for cost in costs.values())
        schedule = plan(costs, effort, budget_s - pilot_s, BASELINE)
        before = read_counters(cores)
        samples, records = _run_groups(files, prepared, deployment, schedule, seed, cores, report)
        after = read_counters(cores)
    noise = noise_between(
        before,
        after,
        switches_per_s=_switches_per_s(records),
        baseline_ms=samples[BASELINE],
    )
    if samples_file is not None:
        _keep(samples, samples_file)
    draws = statistics.draw_rounds(schedule.groups, schedule.rounds, seed)
    return LatencyResult(
        latencies={name: summarise(samples[BASELINE], samples[name], draws) for name in models},
        aa_check=check_itself(samples[BASELINE], samples[AGAIN], draws),
        noise=noise,
        findings=(
            *_missing(schedule, effort, budget_s - pilot_s),
            *describe(noise, deployment.threads),
        ),
    )


def _run_groups(
    files: Mapping[str, Path],
    prepared: PreparedData,
    deployment: Deployment,
    schedule: Schedule,
    seed: int,
    cores: Sequence[int] | None,
    report: Report,
) -> tuple[dict[str, Samples], list[GroupRecord]]:
    """Runs all groups; returns milliseconds of shape ``(groups, rounds, runs)`` by model."""
    records = []
    nanoseconds: dict[str, list[Samples]] = {name: [] for name in files}
    share = (1 - _PILOT_SHARE) / schedule.groups
    for group in range(schedule.groups):
        with tempfile.TemporaryDirectory(prefix="measure-first-rounds-") as folder:
            records.append(
                call(
                    run_group,
                    files,
                    prepared,
                    deployment,
                    schedule,
                    group,
                    seed,
                    Path(folder),
                    limits=patient_limits(schedule.group_s, deployment.threads),
                    report=part(report, _PILOT_SHARE + group * share, share),
                    cpus=cores,
                )
            )
            for position, name in enumerate(files):
                samples = np.load(Path(folder) / f"{position}.npy", allow_pickle=False)
                nanoseconds[name].append(
                    samples.reshape(schedule.rounds, schedule.runs[name]).astype(np.float64)
                )
    return {name: np.stack(groups) / 1e6 for name, groups in nanoseconds.items()}, records


def part(report: Report, start: float, share: float) -> Report:
    """Returns a report for a part of the work."""
    # A process that has only just started has said nothing yet.
    return lambda fraction, words: report(start + share * fraction, words or _OPENING)


def _switches_per_s(records: Sequence[GroupRecord]) -> float | None:
    switches = [record.involuntary_switches for record in records]
    known = [count for count in switches if count is not None]
    seconds = sum(record.seconds for record in records)
    return sum(known) / max(seconds, 1e-9) if len(known) == len(switches) else None


def _missing(schedule: Schedule, effort: Effort, budget_s: float) -> tuple[Finding, ...]:
    """Says which figures the effort or the budget leaves out."""
    findings = []
    runs = {name: schedule.total_runs(name) for name in schedule.runs if name != AGAIN}
    if runs[BASELINE] < runs_wanted(effort):
        findings.append(
            Finding(
                severity="warning",
                code="fewer_runs",
                sentence=f"The time allowed for {runs[BASELINE]:,} of the {runs_wanted(effort):,} "
                f'runs of "{effort}", so intervals are wider; allow more time to narrow them.',
            )
        )
    hidden = [name for name, count in runs.items() if count < MIN_RUNS_FOR_P99]
    if hidden:
        whose = "" if len(hidden) == len(runs) else f" of {', '.join(hidden)}"
        findings.append(
            Finding(
                severity="info",
                code="no_p99",
                sentence=f"The p99{whose} is not shown: it needs at least {MIN_RUNS_FOR_P99} runs.",
            )
        )
    if schedule.expected_s > budget_s:
        findings.append(
            Finding(
                severity="warning",
                code="over_budget",
                sentence=f"Even the fewest rounds that can be compared needed about "
                f"{schedule.expected_s:.0f} seconds, more than the time allowed.",
            )
        )
    return tuple(findings)


def _keep(samples: Mapping[str, Samples], file: Path) -> None:
    """Writes all samples as a Parquet table."""
    import pyarrow as pa  # here, as it starts a thread, and processes that measure have none
    from pyarrow import parquet

    file.parent.mkdir(parents=True, exist_ok=True)
    tables = []
    for name, values in samples.items():
        group, turn, run = (axis.ravel().astype(np.int32) for axis in np.indices(values.shape))
        names = pa.array([name] * values.size).dictionary_encode()
        columns = {"model": names, "group": group, "round": turn, "run": run, "ms": values.ravel()}
        tables.append(pa.table(columns))
    parquet.write_table(pa.concat_tables(tables).unify_dictionaries(), file)
