"""The timed runs themselves, in a process of their own.

Called through :func:`core.sandbox.call`. Every model stays loaded, and in each round each takes
its turn (see :mod:`core.measurement.turns`), in an order drawn anew.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.measurement.schedule import (
    WARM_UP_CAP_RUNS,
    WARM_UP_CAP_S,
    WARM_UP_RUNS,
    WARM_UP_S,
    Cost,
    Schedule,
)
from core.measurement.turns import CANNOT_RUN, LoadedModel, load, time_turn, without_collector
from core.records import Deployment, PreparedData, Report
from core.sandbox import model_errors

_PILOT_RUNS = 20
_PILOT_TURN = 5
_PILOT_S = 10.0  # the pilot of a slow model ends here


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """What one process tells beside its samples."""

    seconds: float
    """From the first round to the last."""
    involuntary_switches: int | None
    """In that time; ``None`` where the system does not count them."""


def pilot(
    models: dict[str, Path], prepared: PreparedData, deployment: Deployment, report: Report
) -> dict[str, Cost]:
    """Tries each model for 20 runs, or for 10 seconds, to know what the rounds will cost."""
    costs = {}
    for number, (name, path) in enumerate(models.items(), start=1):
        report((number - 1) / len(models), f"trying model {number} of {len(models)}")
        started = time.perf_counter()
        model = load(path, prepared, deployment)
        open_s = time.perf_counter() - started
        with model_errors(CANNOT_RUN):
            times = time_turn(model, 0, WARM_UP_CAP_RUNS)
            if sum(times) < _PILOT_S * 1e9:
                times = []
            while len(times) < _PILOT_RUNS and sum(times) < _PILOT_S * 1e9:
                times += time_turn(model, len(times), _PILOT_TURN)
        costs[name] = Cost(
            open_s=open_s, run_s=float(np.median(times)) / 1e9, fastest_s=min(times) / 1e9
        )
    return costs


def run_group(
    models: dict[str, Path],
    prepared: PreparedData,
    deployment: Deployment,
    schedule: Schedule,
    group: int,
    seed: int,
    folder: Path,
    report: Report,
) -> GroupRecord:
    """Runs the rounds of one group and writes ``<position of the model>.npy`` into the folder.

    Args:
        models: Files by name; a file may stand there twice.
        prepared: Real samples.
        deployment: Threads and batch size.
        schedule: How many rounds and runs.
        group: Which of the schedule's groups this is, from 0.
        seed: Decides the order of the models in each round.
        folder: For the samples: nanoseconds, int64, shape ``(rounds, runs)``.
        report: Told of each round.
    """
    order = list(models)
    shuffle = random.Random(f"{seed} {group}").shuffle  # noqa: S311  (no secret)
    shuffle(order)  # the place in memory that comes with being loaded first must not favour one
    loaded = {name: load(models[name], prepared, deployment) for name in order}
    samples = {
        name: np.empty((schedule.rounds, schedule.runs[name]), dtype=np.int64) for name in models
    }
    with model_errors(CANNOT_RUN):
        for number, name in enumerate(order):
            report(
                schedule.opening_s / schedule.group_s * number / len(order),
                f"warming up for round {group * schedule.rounds + 1} of {schedule.all_rounds}",
            )
            _warm_up(loaded[name])
        with without_collector():
            before, started = _involuntary_switches(), time.perf_counter()
            for turn in range(schedule.rounds):
                report(
                    (schedule.opening_s + turn * schedule.round_s) / schedule.group_s,
                    f"round {group * schedule.rounds + turn + 1} of {schedule.all_rounds}",
                )
                shuffle(order)
                for name in order:
                    runs = schedule.runs[name]
                    samples[name][turn] = time_turn(loaded[name], turn * runs, runs)
            seconds, after = time.perf_counter() - started, _involuntary_switches()
    for position, name in enumerate(models):
        np.save(folder / f"{position}.npy", samples[name], allow_pickle=False)
    return GroupRecord(
        seconds=seconds,
        involuntary_switches=None if before is None or after is None else after - before,
    )


def _warm_up(model: LoadedModel) -> None:
    """Runs a model until it is as fast as it gets: 10 runs and a second, less if it is slow."""
    started = time.perf_counter()
    runs = 0
    while True:
        elapsed = time.perf_counter() - started
        if runs >= WARM_UP_RUNS and elapsed >= WARM_UP_S:
            return
        if runs >= WARM_UP_CAP_RUNS and elapsed >= WARM_UP_CAP_S:
            return
        model.run(None, model.feeds[runs % len(model.feeds)])
        runs += 1


def _involuntary_switches() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
