"""A journal that outlives its worker: each step's result is a checkpoint in the database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from dbos import DBOS
from sqlalchemy.exc import OperationalError

from core.journal import Journal
from core.records import Progress, from_plain, to_plain
from core.storage import Storage, lifecycle

T = TypeVar("T")

_log = logging.getLogger(__name__)
_EVERY_S = 0.4  # a little less than the half second at which a silent child lets itself be heard


class Interrupted(BaseException):
    """The job ends here without a result: it was cancelled, taken over, or its worker stops.

    No :class:`Exception`: nobody on its way out may take it for a failure of what they tried,
    and DBOS leaves a job that ends with it as it is.
    """


class Publisher:
    """Writes the progress of one evaluation to the database, and asks if it is still wanted.

    Args:
        storage: Where.
        id: The evaluation's.
        executor: The worker's.
        stopping: Set when the worker is to end.
    """

    def __init__(self, storage: Storage, id: str, executor: str, stopping: threading.Event) -> None:
        self._storage = storage
        self._id = id
        self._executor = executor
        self._stopping = stopping
        self._step: str | None = None
        self._last = -_EVERY_S

    def __call__(self, progress: Progress) -> None:
        """Publishes at most every 0.4 s, and at once when a step begins.

        Raises:
            Interrupted: The running step is to be dropped.
        """
        if self._stopping.is_set():
            raise Interrupted("The worker is being stopped.")
        step = next((step.name for step in progress.steps if step.state == "running"), None)
        now = time.monotonic()
        if step == self._step and now - self._last < _EVERY_S:
            return
        self._step, self._last = step, now
        try:
            mine = lifecycle.publish(self._storage, self._id, self._executor, progress)
        except OperationalError:
            _log.warning("The progress of %s could not be written.", self._id, exc_info=True)
            return
        if not mine:
            raise Interrupted("The evaluation was cancelled, or another worker has it.")


class CheckpointJournal(Journal):
    """Keeps each step's result in DBOS under its name; a step that is done is not done again.

    Time goes on where it stood when the last step that is kept had ended, so a budget of seconds
    means the same before and after a worker's death. What fails is not kept: it is tried again.

    Args:
        publish: See :class:`~core.journal.Journal`.
        advanced: Told when a step was done now, not before.
    """

    def __init__(self, publish: Callable[[Progress], None], advanced: Callable[[], None]) -> None:
        super().__init__(publish)
        self._advanced = advanced

    def _run(self, name: str, kind: Any, work: Callable[[], T]) -> T:
        done_now = False

        def run() -> dict[str, Any]:
            nonlocal done_now
            done_now = True
            try:
                result = work()
            except Exception as error:
                raise _Unkept(error) from error
            return {
                "result": to_plain(result, kind),
                "seconds": self._clock() - self._step_started,
                "elapsed_s": self.elapsed_s,
            }

        try:
            kept = DBOS.run_step({"name": name}, run)
        except _Unkept as unkept:
            raise unkept.error from None
        if done_now:
            self._advanced()
        now = self._clock()
        self._started = now - kept["elapsed_s"]
        self._step_started = now - kept["seconds"]
        result: T = from_plain(kind, kept["result"])
        return result


class _Unkept(BaseException):
    """Carries an error past DBOS, which would keep it as the step's result and lose its type."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error
