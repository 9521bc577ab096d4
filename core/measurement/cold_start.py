"""Cold start: how long a new replica takes from an empty process to its first answer.

What is in the figure: creating the session (reading the file, optimising the graph, packing
weights) and the first run, which allocates memory; and, if a bandwidth was stated, fetching the
file. What is not: starting Python and importing onnxruntime, which is the same for every model,
and reading the sample. The file is in the system's page cache, as it is just after a download.

Each sample is a process that has imported the library and opened nothing before (see
:mod:`core.measurement.fresh`). The models take turns in an order drawn anew each time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.measurement.cores import pinned_cores
from core.measurement.feeds import build_feeds
from core.measurement.fresh import run_fresh
from core.measurement.lock import machine_lock
from core.measurement.statistics import order_statistic_interval
from core.records import ColdStart, Deployment, PreparedData, Report
from core.sandbox import call, model_errors, open_session

PROCESSES = 10
"""Their second smallest and second largest hold the median with 97.9% confidence."""

Sample = tuple[float, float]
"""Milliseconds of session creation and of the first run."""


def measure_cold_starts(
    models: Mapping[str, Path],
    prepared: PreparedData,
    deployment: Deployment,
    *,
    bandwidth_mbps: float | None,
    seed: int,
    report: Report,
    size_bytes: Mapping[str, int] | None = None,
    processes: int = PROCESSES,
) -> dict[str, ColdStart]:
    """Measures the cold start of each model, each in so many fresh processes.

    Waits for its turn on this machine first.

    Args:
        models: Files by name.
        prepared: Its first samples are the first input.
        deployment: Threads and batch size.
        bandwidth_mbps: Megabits per second at which a replica fetches the model; ``None``: that
            is not part of the figure.
        seed: Decides the order.
        report: Told the progress; if it raises, the measurement stops.
        size_bytes: What a replica fetches, by name, where that is more than the file itself.
        processes: Fresh processes a model.

    Raises:
        BadInput: A model does not run on these samples.
        SandboxFailure: A process crashed or needed too much.
    """
    with machine_lock(report):
        samples = call(
            time_cold_starts,
            dict(models),
            prepared,
            deployment,
            processes,
            seed,
            pinned_cores(deployment.threads),
            report=report,
        )
    sizes = {name: path.stat().st_size for name, path in models.items()} | dict(size_bytes or {})
    return {
        name: summarise_starts(of_model, download_ms(sizes[name], bandwidth_mbps))
        for name, of_model in samples.items()
    }


def download_ms(size_bytes: int, bandwidth_mbps: float | None) -> float | None:
    """Returns the milliseconds it takes to fetch a file; ``None`` without a bandwidth."""
    if bandwidth_mbps is None:
        return None
    return size_bytes * 8 / (bandwidth_mbps * 1e6) * 1e3


def summarise_starts(samples: tuple[Sample, ...], download: float | None) -> ColdStart:
    """Returns the median of the samples with its order-statistic interval."""
    parts = np.array(samples)
    whole = parts.sum(axis=1) + (download or 0.0)
    low, high = order_statistic_interval(whole, 0.5)
    session_ms, first_run_ms = np.median(parts, axis=0)
    return ColdStart(
        value=float(np.median(whole)),
        low=low,
        high=high,
        processes=len(samples),
        session_ms=float(session_ms),
        first_run_ms=float(first_run_ms),
        download_ms=download,
    )


def time_cold_starts(
    models: dict[str, Path],
    prepared: PreparedData,
    deployment: Deployment,
    processes: int,
    seed: int,
    cpus: tuple[int, ...] | None,
    report: Report,
) -> dict[str, tuple[Sample, ...]]:
    """Starts all the processes, in the sandbox, and returns what each found."""
    shuffle = random.Random(seed).shuffle  # noqa: S311  (no secret)
    samples: dict[str, list[Sample]] = {name: [] for name in models}
    order = list(models)
    # One more than wanted: the first of each brings the file into the page cache.
    for turn in range(processes + 1):
        shuffle(order)
        for position, name in enumerate(order):
            done = (turn * len(order) + position) / (len(order) * (processes + 1))
            report(done, f"cold start {turn} of {processes}" if turn else "reading the models once")
            sample = run_fresh(start_once, models[name], prepared, deployment, cpus=cpus)
            if turn:
                samples[name].append(sample)
    return {name: tuple(of_model) for name, of_model in samples.items()}


def start_once(path: Path, prepared: PreparedData, deployment: Deployment) -> Sample:
    """Loads a model and runs it once, in a process that has done neither before."""
    started = time.perf_counter()
    session = open_session(path, deployment)
    opened = time.perf_counter()
    feed = build_feeds(session, prepared, deployment, most=1)[0]
    ready = time.perf_counter()
    with model_errors("The model cannot be run"):
        session.run(None, feed)
    answered = time.perf_counter()
    return (opened - started) * 1e3, (answered - ready) * 1e3
