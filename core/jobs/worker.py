"""The worker: takes evaluations from the queue of its machine class, one at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

from dbos import DBOS
from filelock import FileLock, Timeout
from sqlalchemy.exc import OperationalError

from core.jobs.engine import (
    APPLICATION,
    SERIALIZER,
    VERSION,
    WORKFLOW,
    client,
    forget_ended,
    queue_name,
)
from core.jobs.job import Evaluate, run_job
from core.jobs.watch import Watch
from core.jobs.workspace import remove_others
from core.storage import Storage, lifecycle, open_storage, purge, workers

_log = logging.getLogger(__name__)
_BEAT_S = 2.0
_TIDY_S = 3600.0
_KEPT = timedelta(days=7)
_STOP_S = 5


def run_worker(
    machine_class: str = "default",
    *,
    parent: int | None = None,
    storage: Storage | None = None,
    evaluate: Evaluate | None = None,
    stale_after_s: float = 60.0,
) -> None:
    """Works until SIGTERM, SIGINT or the end of the parent. Call it in the main thread.

    There is one worker per work folder; a second waits until the first has ended.

    Args:
        machine_class: Whose queue to take evaluations from.
        parent: Process to end with; None: none.
        storage: Default: of the environment's settings.
        evaluate: Does the work; default :func:`core.evaluation.evaluate`.
        stale_after_s: How long another worker's heartbeat may stand still before its job is
            taken over.
    """
    storage = storage or open_storage()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stopping = threading.Event()
    with contextlib.suppress(KeyboardInterrupt), _only_worker(storage, parent, stopping) as mine:
        if mine:
            worker = Worker(machine_class, storage, evaluate or _evaluate(), stopping)
            worker.run(parent, stale_after_s)


class Worker:
    """The one worker of a work folder.

    Args:
        machine_class: See :func:`run_worker`, as for the others.
        storage: Where evaluations are kept.
        evaluate: Does the work.
        stopping: Set when the worker is to end.
    """

    def __init__(
        self,
        machine_class: str,
        storage: Storage,
        evaluate: Evaluate,
        stopping: threading.Event,
    ) -> None:
        self._machine_class = machine_class
        self._storage = storage
        self._evaluate = evaluate
        self._stopping = stopping
        self._executor = _executor(storage)
        self._running: str | None = None

    def run(self, parent: int | None, stale_after_s: float) -> None:
        """Takes jobs until it is to end; see :func:`run_worker`."""
        open_ids = lifecycle.heartbeats(self._storage, self._machine_class)
        remove_others(self._storage, keep=open_ids)
        try:
            self._launch()
            watch = Watch(self._storage, client(self._storage), self._machine_class, stale_after_s)
            tidied = -_TIDY_S
            while not _is_orphan(parent):
                with _tolerating_outages():
                    self._beat()
                    watch.look()
                    if self._running is None and time.monotonic() - tidied > _TIDY_S:
                        tidied = time.monotonic()
                        purge(self._storage)
                        forget_ended(self._storage, _KEPT)
                self._stopping.wait(_BEAT_S)
        finally:
            self._stopping.set()
            DBOS.destroy(workflow_completion_timeout_sec=_STOP_S if self._running else 0)
            with _tolerating_outages():
                workers.leave(self._storage, self._executor)

    def _launch(self) -> None:
        """Starts DBOS, which first takes up what this executor left."""
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": self._storage.settings.database_url,
                "executor_id": self._executor,
                "application_version": VERSION,
                "serializer": SERIALIZER,
                "log_level": "WARNING",
            }
        )

        # How often a job is taken up is counted in run_job, which gives it up with a sentence.
        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        def job(id: str) -> None:
            self._job(id)

        queue = queue_name(self._machine_class)
        client(self._storage).register_queue(queue, worker_concurrency=1)
        DBOS.listen_queues([queue])  # else it would serve every class
        DBOS.launch()

    def _job(self, id: str) -> None:
        self._running = id
        try:
            run_job(
                id,
                storage=self._storage,
                executor=self._executor,
                stopping=self._stopping,
                evaluate=self._evaluate,
            )
        finally:
            self._running = None

    def _beat(self) -> None:
        workers.beat(
            self._storage, self._executor, self._machine_class, socket.gethostname(), os.getpid()
        )
        if self._running is not None:
            lifecycle.publish(self._storage, self._running, self._executor)


def _evaluate() -> Evaluate:
    # Not at the top: the server imports this package too, and has no use for the whole engine.
    from core.evaluation import evaluate

    return evaluate


def _executor(storage: Storage) -> str:
    """This installation's name among the workers: by it, a restarted worker knows its jobs."""
    path = storage.settings.work / "executor"
    path.touch()
    name = path.read_text(encoding="ascii")
    if not name:
        name = secrets.token_hex(8)
        path.write_text(name, encoding="ascii")
    return name


def _is_orphan(parent: int | None) -> bool:
    return parent is not None and os.getppid() != parent


@contextlib.contextmanager
def _only_worker(storage: Storage, parent: int | None, stopping: threading.Event) -> Iterator[bool]:
    """Waits to be the only worker; False where the parent ends first."""
    storage.settings.work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(storage.settings.work / "worker.lock")
    while not _is_orphan(parent):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            stopping.wait(1.0)
            continue
        try:
            yield True
        finally:
            lock.release()
        return
    yield False


@contextlib.contextmanager
def _tolerating_outages() -> Iterator[None]:
    """A database or a store that is away for a while is no reason to end."""
    try:
        yield
    except (OperationalError, OSError):
        _log.warning("The database or the store could not be reached.", exc_info=True)
