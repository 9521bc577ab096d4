"""A first look at who is faster: one process, few rounds, for the search to rank by.

The rounds are those of :mod:`core.measurement.latency`, but in a single process and without the
A/A check: enough to set the slowest of many candidates aside, and no ground for a verdict.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.measurement import statistics
from core.measurement.cores import pinned_cores
from core.measurement.limits import patient_limits
from core.measurement.lock import machine_lock
from core.measurement.rounds import run_group
from core.measurement.schedule import SETTLING_RUNS, WARM_UP_S, Schedule
from core.records import Deployment, PreparedData, Ratio, Report
from core.sandbox import call

_ROUNDS = 12
_RUNS = 5
_LONGEST_TURN_S = 0.5


def rank_speed(
    models: Mapping[str, Path],
    prepared: PreparedData,
    deployment: Deployment,
    *,
    baseline: str,
    baseline_s: float,
    seed: int,
    report: Report,
) -> dict[str, Ratio]:
    """Compares candidates with the baseline in 60 interleaved runs each, fewer of slow models.

    Args:
        models: Files by name, the baseline among them.
        prepared: The samples they are fed, as batches of the deployment's size.
        deployment: Threads and batch size.
        baseline: Which of them is the baseline.
        baseline_s: Seconds of one run of it.
        seed: Decides orders and resamples, not times.
        report: Told the progress; if it raises, the comparison stops.

    Returns:
        The baseline's p50 over each candidate's, by name, without the baseline.

    Raises:
        BadInput: A model does not run on these samples.
        SandboxFailure: The process crashed or needed too much.
    """
    runs = max(1, min(_RUNS, int(_LONGEST_TURN_S / baseline_s)))
    schedule = Schedule(
        groups=1,
        rounds=_ROUNDS,
        runs=dict.fromkeys(models, runs),
        opening_s=len(models) * 2 * WARM_UP_S,
        round_s=len(models) * (SETTLING_RUNS + runs) * baseline_s,
    )
    cores = pinned_cores(deployment.threads)
    with machine_lock(report), tempfile.TemporaryDirectory(prefix="measure-first-") as folder:
        call(
            run_group,
            dict(models),
            prepared,
            deployment,
            schedule,
            0,
            seed,
            Path(folder),
            limits=patient_limits(schedule.group_s, deployment.threads),
            report=report,
            cpus=cores,
        )
        samples = {
            name: np.load(Path(folder) / f"{position}.npy")[None].astype(np.float64)
            for position, name in enumerate(models)
        }
    draws = statistics.draw_rounds(1, _ROUNDS, seed)
    return {
        name: statistics.speedup(samples[baseline], samples[name], draws)
        for name in models
        if name != baseline
    }
