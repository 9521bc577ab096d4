"""A loaded model and its turn of timed runs: what every way of timing here is made of.

Only called in the sandbox. A turn is one run that is not timed, which brings the model's data
back into the caches as in a server that has only this one, and then its timed runs.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.measurement.feeds import Feed, build_feeds
from core.measurement.schedule import SETTLING_RUNS
from core.records import Deployment, PreparedData
from core.sandbox import open_session

CANNOT_RUN = (
    "The model cannot be run on these samples, so give samples of the shape and type that it takes"
)
"""Start of the sentence where a model that was loaded does not run."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A loaded model with all it needs to run."""

    run: Callable[[None, Feed], Any]
    feeds: list[Feed]


def load(path: Path, prepared: PreparedData, deployment: Deployment) -> LoadedModel:
    """Opens a model as the deployment serves it, with batches of its size.

    Raises:
        BadInput: onnxruntime refuses it, or its inputs are not those of the data.
    """
    session = open_session(path, deployment)
    return LoadedModel(session.run, build_feeds(session, prepared, deployment))


def time_turn(model: LoadedModel, first_feed: int, runs: int) -> list[int]:
    """Returns the nanoseconds of each run of one turn.

    Args:
        model: Whose turn it is.
        first_feed: Position of the first batch; counted on from the first when they are used up.
        runs: How many are timed.
    """
    run, feeds, clock = model.run, model.feeds, time.perf_counter_ns
    for _ in range(SETTLING_RUNS):
        run(None, feeds[first_feed % len(feeds)])
    times = []
    for position in range(first_feed, first_feed + runs):
        feed = feeds[position % len(feeds)]
        start = clock()
        run(None, feed)
        times.append(clock() - start)
    return times


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Keeps Python's garbage collector from running between two looks at the clock."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
