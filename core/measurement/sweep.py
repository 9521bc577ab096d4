"""Threads and batch sizes: the baseline and a candidate beside the deployment's own point.

It answers what a single point cannot: whether more threads do for the baseline what
quantization would, and what larger batches do for throughput. One process holds a session of
each model with each number of threads. In each round every model has its turn of a few runs at
every point, in an order drawn anew.

Shorter than the measurement of latency (see :mod:`core.measurement.latency`), on which the
verdict rests, and a little less sure than its intervals say: as there is one process, how
processes differ (some 0.4%) is not in them. They are a bootstrap over the rounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import psutil

from core.measurement import statistics
from core.measurement.cgroup import cpu_quota
from core.measurement.cores import physical_cores, pinned_cores
from core.measurement.grid import full_grid
from core.measurement.latency import part
from core.measurement.limits import patient_limits
from core.measurement.lock import machine_lock
from core.measurement.statistics import Samples
from core.measurement.sweep_rounds import run_sweep
from core.records import Deployment, PreparedData, Ratio, Report, SweepPoint
from core.sandbox import Limits, call

_MEMORY_SHARE = 0.8  # of what is free; beyond it, an allocation fails rather than the machine


def measure_sweep(
    models: Mapping[str, Path],
    prepared: PreparedData,
    deployment: Deployment,
    *,
    seed: int,
    budget_s: float,
    report: Report,
) -> tuple[SweepPoint, ...]:
    """Measures models with other threads and batch sizes than the deployment's, and with its own.

    Waits for its turn on this machine first. Where time or memory is too little for all points,
    large batches are left out first, then numbers of threads, the deployment's own point never;
    so are batches that the model does not take.

    Args:
        models: Files by name, the baseline first.
        prepared: The samples they are fed.
        deployment: Its threads and batch size are one of the points.
        seed: Decides orders and resamples, not times.
        budget_s: Seconds that all of it may take, the wait apart; a model so slow that 6 rounds
            of its own point take longer takes longer.
        report: Told the progress; if it raises, the measurement stops.

    Returns:
        The points by threads and then by batch size.

    Raises:
        BadInput: A model does not run on these samples.
        SandboxFailure: The process crashed or needed too much.
    """
    grid = full_grid(deployment, _cores())
    most = max(grid.threads)
    memory_bytes = int(_MEMORY_SHARE * psutil.virtual_memory().available)
    with machine_lock(report), tempfile.TemporaryDirectory(prefix="measure-first-sweep-") as folder:
        points = call(
            run_sweep,
            dict(models),
            prepared,
            grid,
            seed,
            budget_s,
            Path(folder),
            limits=patient_limits(
                budget_s, most, memory_bytes=min(memory_bytes, Limits().memory_bytes)
            ),
            report=part(report, 0.0, 1.0),
            cpus=pinned_cores(most),
        )
        samples = [
            np.load(Path(folder) / f"{number}.npy", allow_pickle=False) / 1e6
            for number in range(len(points))
        ]
    return tuple(
        summarise_point(point, dict(zip(models, of_point, strict=True)), seed)
        for point, of_point in zip(points, samples, strict=True)
    )


def summarise_point(point: Deployment, samples: Mapping[str, Samples], seed: int) -> SweepPoint:
    """Turns the samples of one point into its figures.

    Args:
        point: Threads and batch size.
        samples: Milliseconds by model, the baseline first, shape ``(rounds, runs)``.
        seed: Of the resamples.
    """
    of_models = {name: values[np.newaxis] for name, values in samples.items()}  # one process
    first = next(iter(of_models))
    baseline = of_models[first]
    draws = statistics.draw_rounds(1, baseline.shape[1], seed)
    return SweepPoint(
        threads=point.threads,
        batch_size=point.batch_size,
        p50_ms={
            name: statistics.quantile(values, 0.5, draws) for name, values in of_models.items()
        },
        samples_per_s={
            name: 1e3 * point.batch_size / float(values.mean())
            for name, values in of_models.items()
        },
        speedup={first: Ratio(ratio=1.0, low=1.0, high=1.0)}
        | {
            name: statistics.speedup(baseline, values, draws)
            for name, values in of_models.items()
            if name != first
        },
    )


def _cores() -> int:
    """Returns how many threads can run at once, as the cores and a container's limit allow."""
    quota = cpu_quota()
    cores = physical_cores()
    return cores if quota is None else max(1, min(cores, int(quota)))
