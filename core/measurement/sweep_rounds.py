"""The timed runs of a sweep, in a process of their own.

Called through :func:`core.sandbox.call`, as :mod:`core.measurement.rounds` is.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.measurement.feeds import Feed, build_feeds
from core.measurement.grid import (
    MIN_ROUNDS,
    RUNS,
    WARM_UP_RUNS,
    WARM_UP_S,
    Grid,
    fit,
    rounds_within,
)
from core.measurement.schedule import Cost
from core.measurement.turns import CANNOT_RUN, LoadedModel, time_turn, without_collector
from core.records import BadInput, Deployment, PreparedData, Report
from core.sandbox import model_errors, open_session

_FEEDS = 4  # of each batch size; so many stay in memory at once
_WARM_UP_SHARE = 0.4  # of the progress

Turn = tuple[str, Deployment]
"""A model at a point."""


def run_sweep(
    models: dict[str, Path],
    prepared: PreparedData,
    grid: Grid,
    seed: int,
    budget_s: float,
    folder: Path,
    report: Report,
) -> tuple[Deployment, ...]:
    """Runs the rounds of a sweep and writes ``<position of the point>.npy`` into the folder.

    Args:
        models: Files by name.
        prepared: Real samples.
        grid: All points; those that time and memory allow are measured, the deployment's always.
        seed: Decides the order in each round.
        budget_s: Seconds for all of it.
        folder: For the samples: nanoseconds, int64, shape ``(models, rounds, runs)``.
        report: Told of each round.

    Returns:
        The points that were measured.

    Raises:
        BadInput: A model does not run at the deployment's own point.
        MemoryError: Nor is there memory for that alone.
    """
    end = time.perf_counter() + budget_s
    report(0.0, "trying the models as they are served")
    costs = _costs(models, prepared, grid.own)
    loaded, run_s = _warm_up_all(
        models, prepared, fit(grid, costs, end - time.perf_counter()), report
    )
    rounds = rounds_within(run_s.values(), end - time.perf_counter())
    points = list(dict.fromkeys(point for _, point in loaded))
    samples = np.empty((len(points), len(models), rounds, RUNS), dtype=np.int64)
    places = {
        (name, point): samples[number, position]
        for number, point in enumerate(points)
        for position, name in enumerate(models)
    }
    done = _run_rounds(loaded, places, seed, end, report)
    for number, of_point in enumerate(samples):
        np.save(folder / f"{number}.npy", of_point[:, :done], allow_pickle=False)
    return tuple(points)


def _costs(
    models: dict[str, Path], prepared: PreparedData, deployment: Deployment
) -> dict[str, Cost]:
    """Tries each model at the deployment's own point."""
    costs = {}
    for name, path in models.items():
        started = time.perf_counter()
        session = open_session(path, deployment)
        open_s = time.perf_counter() - started
        feeds = build_feeds(session, prepared, deployment, most=_FEEDS)
        with model_errors(CANNOT_RUN):
            times = time_turn(LoadedModel(session.run, feeds), 0, RUNS)
        costs[name] = Cost(
            open_s=open_s, run_s=float(np.median(times)) / 1e9, fastest_s=min(times) / 1e9
        )
    return costs


def _warm_up_all(
    models: dict[str, Path], prepared: PreparedData, grid: Grid, report: Report
) -> tuple[dict[Turn, LoadedModel], dict[Turn, float]]:
    """Opens and warms up every model at every point that it runs at and memory holds."""
    while True:
        less: Grid | None
        try:
            return _warm_up(_load_all(models, prepared, grid), report)
        except MemoryError:
            less = grid.smaller()
            if less is None:
                raise
        except BadInput:
            # At its own batch size each has run before. Others may be open, and yet not work.
            less = grid.of_own_batch()
            if less is None:
                raise
        # Not before the exception is gone, which holds what was loaded.
        grid = less


def _load_all(
    models: dict[str, Path], prepared: PreparedData, grid: Grid
) -> dict[Turn, LoadedModel]:
    """Opens a session of each model with each number of threads; all share their batches."""
    loaded = {}
    feeds: dict[tuple[str, int], list[Feed]] = {}
    for threads in sorted(grid.threads):
        points = [point for point in grid.points if point.threads == threads]
        for name, path in models.items():
            session = open_session(path, points[0])
            for point in points:
                key = name, point.batch_size
                if key not in feeds:
                    feeds[key] = build_feeds(session, prepared, point, most=_FEEDS)
                loaded[name, point] = LoadedModel(session.run, feeds[key])
    return loaded


def _warm_up(
    loaded: dict[Turn, LoadedModel], report: Report
) -> tuple[dict[Turn, LoadedModel], dict[Turn, float]]:
    """Warms up all of them; returns them with the seconds of each one's usual run."""
    run_s = {}
    with model_errors(CANNOT_RUN):
        for number, (turn, model) in enumerate(loaded.items()):
            report(
                _WARM_UP_SHARE * number / len(loaded), f"warming up {number + 1} of {len(loaded)}"
            )
            started = time.perf_counter()
            times: list[int] = []
            while len(times) < WARM_UP_RUNS or time.perf_counter() - started < WARM_UP_S:
                times += time_turn(model, len(times), 1)
            run_s[turn] = float(np.median(times)) / 1e9
    return loaded, run_s


def _run_rounds(
    loaded: dict[Turn, LoadedModel],
    places: dict[Turn, NDArray[np.int64]],
    seed: int,
    end: float,
    report: Report,
) -> int:
    """Gives each its turn in every round, and puts the times into their places.

    Returns:
        Rounds: fewer than there are places for where time is up, but never below the fewest.
    """
    order = list(loaded)
    shuffle = random.Random(seed).shuffle  # noqa: S311  (no secret)
    rounds = len(places[order[0]])
    with model_errors(CANNOT_RUN), without_collector():
        for number in range(rounds):
            if number >= MIN_ROUNDS and time.perf_counter() > end:
                return number
            report(
                _WARM_UP_SHARE + (1 - _WARM_UP_SHARE) * number / rounds,
                f"round {number + 1} of {rounds}",
            )
            shuffle(order)
            for turn in order:
                places[turn][number] = time_turn(loaded[turn], number * RUNS, RUNS)
    return rounds
