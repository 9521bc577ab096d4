"""Timed runs with the moment of each, so that what happened beside them can be told apart."""

import time
from pathlib import Path

import numpy as np

from core.measurement.turns import CANNOT_RUN, load, time_turn, without_collector
from core.records import Deployment, PreparedData, Report
from core.sandbox import model_errors

TURN = 5
_WARM_UP_TURNS = 50


def run_until(
    model: Path,
    prepared: PreparedData,
    deployment: Deployment,
    stop: Path,
    most_s: float,
    file: Path,
    report: Report,
) -> None:
    """Runs a model, in the sandbox, until a file exists or so many seconds are over.

    Args:
        model: Its file.
        prepared: What it is fed.
        deployment: Threads and batch size.
        stop: The file that ends it.
        most_s: The seconds that end it, if no file does.
        file: For the turns: float64, shape ``(turns, 1 + runs)``, the system's monotonic seconds
            at the end of each and the milliseconds of its runs.
        report: Told of every turn.
    """
    loaded = load(model, prepared, deployment)
    turns = []
    with model_errors(CANNOT_RUN), without_collector():
        for _ in range(_WARM_UP_TURNS):
            time_turn(loaded, 0, TURN)
        started = time.monotonic()
        while not stop.exists() and (elapsed := time.monotonic() - started) < most_s:
            report(elapsed / most_s, f"turn {len(turns) + 1}")
            times = time_turn(loaded, len(turns) * TURN, TURN)
            turns.append([time.monotonic(), *(nanoseconds / 1e6 for nanoseconds in times)])
    np.save(file, np.array(turns), allow_pickle=False)
