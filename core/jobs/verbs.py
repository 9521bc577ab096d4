"""The four verbs of the queue: submit, list, progress, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.jobs.engine import client, enqueue_options
from core.records import BadInput, Progress
from core.storage import (
    EvaluationStatus,
    EvaluationSummary,
    Storage,
    get_evaluation,
    lifecycle,
    list_evaluations,
)
from core.storage.workers import count_workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How an evaluation stands with the queue."""

    id: str
    name: str
    status: EvaluationStatus
    position: int | None
    """Place in the queue, 1 is next; None: it does not wait."""
    progress: Progress | None
    error: str | None
    worker_alive: bool
    """Whether any worker of its machine class was heard of in the last seconds."""


def submit(storage: Storage, id: str) -> None:
    """Puts a draft into the queue of its machine class.

    Raises:
        BadInput: The draft lacks its model, its data or its request, or is no draft any more.
    """
    draft = get_evaluation(storage, id)
    if draft is None or not (draft.model_files and draft.data_files and draft.request):
        raise BadInput("Give a model, a dataset and a policy first; then the evaluation can start.")
    queue = client(storage)
    with storage.engine.begin() as connection:
        if not lifecycle.enqueue(connection, id):
            raise BadInput("This evaluation was started already.")
        queue.enqueue_in_transaction(connection, enqueue_options(id, draft.machine_class), id)


def list_jobs(storage: Storage) -> tuple[Job, ...]:
    """All evaluations that run or wait: those that run first, then in the order of their turn."""
    rows = list_evaluations(storage, active=True)
    return _jobs(storage, sorted(rows, key=lambda row: row.position or 0))


def progress(storage: Storage, id: str) -> Job | None:
    """How far an evaluation is; None where there is none with this id."""
    return next(iter(_jobs(storage, list_evaluations(storage, id=id))), None)


def cancel(storage: Storage, id: str) -> bool:
    """Cancels an evaluation that waits or runs; a running step is stopped within a second or two.

    Returns:
        Whether it did; False where the evaluation had ended before.
    """
    if not lifecycle.cancel(storage, id):
        return False
    client(storage).cancel_workflow(id)
    return True


def _jobs(storage: Storage, rows: Sequence[EvaluationSummary]) -> tuple[Job, ...]:
    classes = {row.machine_class for row in rows}
    alive = {name for name in classes if count_workers(storage, name) > 0}
    return tuple(
        Job(
            id=row.id,
            name=row.name,
            status=row.status,
            position=row.position,
            progress=row.progress,
            error=row.error,
            worker_alive=row.machine_class in alive,
        )
        for row in rows
    )
