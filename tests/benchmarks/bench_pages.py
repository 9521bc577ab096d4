"""Whether watching a measurement disturbs it; run by ``make bench``.

Five browser sessions watch the Runs page of an evaluation while a pinned process times a model
and its progress is published, as a worker does. In turn they are on that page and on an empty
one. All runs are of one process, so nothing but the watching differs between the two.
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from core.jobs.journal import Publisher
from core.measurement import statistics
from core.measurement.cores import pinned_cores
from core.measurement.synthetic import make_samples
from core.records import Deployment, Progress, Request, StepProgress
from core.sandbox import call
from core.storage import Storage, create_draft, lifecycle, update_draft, workers
from tests.benchmarks.bench_latency import write_chain
from tests.benchmarks.timeline import run_until
from tests.browser.conftest import (  # noqa: F401  (fixtures)
    CHROMIUM,
    browser_type_launch_args,
    new_page,
)
from tests.browser.look import shows
from tests.browser.server import Server

ONE = Deployment(threads=1)
WATCHERS = 5
PAIRS = 20
BLOCK_S = 6.0  # a page looks every two seconds
SETTLING_S = 1.0
MOST_S = 1200.0
EXECUTOR = "bench"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that runs no evaluations itself."""
    server = Server(tmp_path, worker=False)
    server.start()
    yield server
    server.stop()


@dataclass(frozen=True)
class Block:
    """A stretch of time in which the pages did one thing."""

    watched: bool
    start: float
    end: float


def begin_evaluation(storage: Storage) -> str:
    """An evaluation that a worker has begun; without a queue, so that nobody else takes it."""
    id = create_draft(storage, name="Watched")
    update_draft(storage, id, request=Request())
    with storage.engine.begin() as connection:
        assert lifecycle.enqueue(connection, id)
    assert lifecycle.begin(storage, id, EXECUTOR)
    return id


class Worker:
    """What a worker tells the database while a child measures."""

    def __init__(self, storage: Storage, id: str) -> None:
        self._storage = storage
        self._publish = Publisher(storage, id, EXECUTOR, threading.Event())
        self._started = monotonic()
        self._beat = -1.0

    def report(self, fraction: float, words: str) -> None:
        """Publishes the progress, and that the worker lives."""
        now = monotonic() - self._started
        if now - self._beat > 2.0:
            self._beat = now
            workers.beat(self._storage, EXECUTOR, "default", "bench", os.getpid())
        step = StepProgress(name="time", title="Time the models", state="running", seconds=now)
        self._publish(
            Progress(steps=(step,), fraction=fraction, words=words, elapsed_s=now, remaining_s=60.0)
        )


def watch_and_look_away(pages, url: str) -> list[Block]:
    """Has all pages on the evaluation and on nothing in turn, each first every other time."""
    blocks = []
    for number in range(PAIRS):
        for watched in (True, False) if number % 2 == 0 else (False, True):
            for page in pages:
                page.goto(url if watched else "about:blank")
            if watched:
                for page in pages:
                    shows(page, "You can close this page")
            pages[0].wait_for_timeout(SETTLING_S * 1e3)
            start = monotonic()
            pages[0].wait_for_timeout(BLOCK_S * 1e3)
            blocks.append(Block(watched, start, monotonic()))
    return blocks


def p50_of(block: Block, turns: np.ndarray) -> float:
    """Milliseconds of the runs within a block."""
    within = (turns[:, 0] > block.start) & (turns[:, 0] < block.end)
    assert within.sum() > 20
    return float(np.median(turns[within, 1:]))


def test_five_watchers_shift_the_p50_by_less_than_one_percent(
    server: Server,
    new_page,  # noqa: F811
    tmp_path: Path,
) -> None:
    model = write_chain(tmp_path / "model.onnx", 20)
    prepared = call(make_samples, model, ONE, tmp_path / "samples", 0)
    id = begin_evaluation(server.storage)
    worker = Worker(server.storage, id)
    worker.report(0.0, "")
    pages = [new_page() for _ in range(WATCHERS)]
    stop, file = tmp_path / "stop", tmp_path / "turns.npy"
    with ThreadPoolExecutor(1) as thread:
        measured: Future[None] = thread.submit(
            call,
            run_until,
            *(model, prepared, ONE, stop, MOST_S, file),
            report=worker.report,
            cpus=pinned_cores(ONE.threads),
        )
        try:
            blocks = watch_and_look_away(pages, server.url("runs", id))
        finally:
            stop.touch()
        measured.result()
    turns = np.load(file)
    ratios = []
    for first, second in list(pairwise(blocks))[::2]:
        watched, alone = (first, second) if first.watched else (second, first)
        ratios.append(p50_of(watched, turns) / p50_of(alone, turns))
    ratio = float(np.median(ratios))
    low, high = statistics.order_statistic_interval(np.array(ratios), 0.5)
    load = os.getloadavg()[0]
    print(f"\np50 watched over alone: {ratio:.4f} ({low:.4f} to {high:.4f}), median of {PAIRS}")
    print(f"p50 of all runs: {np.median(turns[:, 1:]):.3f} ms, load {load:.1f}")
    assert abs(ratio - 1) < 0.01
