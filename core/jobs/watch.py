"""Finds jobs whose worker is gone for good, and has them go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from dbos import DBOSClient, WorkflowStatusString

from core.jobs.engine import queue_name
from core.jobs.job import unforeseen
from core.storage import Storage, lifecycle

_log = logging.getLogger(__name__)


class Watch:
    """Sees that a job's heartbeat stands still.

    What is compared is a count, on this machine's own clock: machines need not agree on the time.
    A worker that was only killed takes its job up again when it is started; this is for the one
    that is not, and for a job that a lost database connection has left behind.

    Args:
        storage: Where the heartbeats are.
        client: The queue.
        machine_class: Whose jobs are watched.
        stale_after_s: How long a heartbeat may stand still.
        clock: Seconds; monotonic.
    """

    def __init__(
        self,
        storage: Storage,
        client: DBOSClient,
        machine_class: str,
        stale_after_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._client = client
        self._machine_class = machine_class
        self._stale_after_s = stale_after_s
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def look(self) -> None:
        """Compares all heartbeats with those of the time before; call it every few seconds."""
        now = self._clock()
        beats = lifecycle.heartbeats(self._storage, self._machine_class)
        seen = {}
        for id, beat in beats.items():
            before, since = self._seen.get(id, (-1, now))
            seen[id] = (beat, since) if beat == before else (beat, now)
            if now - seen[id][1] > self._stale_after_s:
                seen[id] = (beat, now)
                self._take_care(id, beat)
        self._seen = seen

    def _take_care(self, id: str, heartbeat: int) -> None:
        found = self._client.list_workflows(workflow_ids=[id], load_input=False, load_output=False)
        status = found[0].status if found else None
        if status in (WorkflowStatusString.ENQUEUED.value, WorkflowStatusString.DELAYED.value):
            return  # it waits its turn
        if not lifecycle.claim(self._storage, id, heartbeat):
            return  # another worker was first
        if status == WorkflowStatusString.PENDING.value:
            _log.warning("Evaluation %s was left by its worker and goes on", id)
            # Without the name it would go to a queue of DBOS's own, which knows no limit.
            self._client.resume_workflow(id, queue_name=queue_name(self._machine_class))
        else:
            _log.error("Evaluation %s is open, but its job is %s", id, status)
            lifecycle.fail(self._storage, id, unforeseen(id))
