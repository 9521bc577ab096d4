"""An evaluation's way through the queue: each change of its status, in one statement.

Every function says in its condition which status the evaluation must be in. Two that come at
the same time (a cancel and the end, two workers) can then not undo one another: for the later
one nothing matches, and it is told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update
from sqlalchemy.orm import Session

from core.records import Evaluation, Progress, to_plain
from core.storage.database import now
from core.storage.drafts import file_rows
from core.storage.evaluations import get_evaluation
from core.storage.storage import Storage
from core.storage.stored import StoredEvaluation, StoredFile
from core.storage.tables import EvaluationRow as Row

_OPEN = ("queued", "running")


def enqueue(connection: Connection, id: str) -> bool:
    """Draft to queued, in the caller's transaction; False if it is not a complete draft."""
    return _change(
        connection,
        id,
        Row.status == "draft",
        Row.request.is_not(None),
        Row.deleted.is_(None),
        status="queued",
        queued=now(),
    )


def begin(storage: Storage, id: str, executor: str) -> StoredEvaluation | None:
    """A worker takes an evaluation up, or takes it up again; None if there is nothing to do."""
    with storage.engine.begin() as connection:
        mine = _change(
            connection,
            id,
            Row.status.in_(_OPEN),
            status="running",
            executor=executor,
            heartbeat=Row.heartbeat + 1,
            attempts=Row.attempts + 1,
            started=func.coalesce(Row.started, now()),
        )
    return get_evaluation(storage, id) if mine else None


def publish(storage: Storage, id: str, executor: str, progress: Progress | None = None) -> bool:
    """The worker lives, and is this far; False if the evaluation is no longer its own."""
    values: dict[str, Any] = {"heartbeat": Row.heartbeat + 1}
    if progress is not None:
        values["progress"] = to_plain(progress)
    with storage.engine.begin() as connection:
        return _change(connection, id, *_run_by(executor), **values)


def set_attempts(storage: Storage, id: str, executor: str, attempts: int) -> None:
    """How often the step that comes now was taken up: 1 after another was done."""
    with storage.engine.begin() as connection:
        _change(connection, id, *_run_by(executor), attempts=attempts)


def finish(
    storage: Storage, id: str, executor: str, result: Evaluation, outputs: Sequence[StoredFile]
) -> bool:
    """Running to finished; False if it was cancelled or taken over in the meantime."""
    with Session(storage.engine) as session, session.begin():
        mine = _change(
            session.connection(),
            id,
            *_run_by(executor),
            status="finished",
            finished=now(),
            result=to_plain(result),
            outcome=result.verdict.outcome,
            sentence=result.verdict.sentence,
        )
        if mine:
            session.add_all(file_rows(id, "output", outputs))
        return mine


def fail(storage: Storage, id: str, sentence: str) -> bool:
    """Queued or running to failed, with one sentence for people."""
    with storage.engine.begin() as connection:
        return _change(
            connection, id, Row.status.in_(_OPEN), status="failed", finished=now(), error=sentence
        )


def cancel(storage: Storage, id: str) -> bool:
    """Queued or running to cancelled, at once; its worker finds out with its next report."""
    with storage.engine.begin() as connection:
        return _change(connection, id, Row.status.in_(_OPEN), status="cancelled", finished=now())


def heartbeats(storage: Storage, machine_class: str) -> dict[str, int]:
    """The heartbeat count of each evaluation that waits or runs, by id."""
    query = select(Row.id, Row.heartbeat).where(
        Row.status.in_(_OPEN), Row.machine_class == machine_class
    )
    with storage.engine.connect() as connection:
        return {row.id: row.heartbeat for row in connection.execute(query)}


def claim(storage: Storage, id: str, heartbeat: int) -> bool:
    """Raises a heartbeat that has stood still; True for one of all who try, if it still does."""
    with storage.engine.begin() as connection:
        return _change(
            connection,
            id,
            Row.status.in_(_OPEN),
            Row.heartbeat == heartbeat,
            heartbeat=heartbeat + 1,
        )


def _change(
    connection: Connection, id: str, *conditions: ColumnElement[bool], **values: Any
) -> bool:
    changed = connection.execute(update(Row).where(Row.id == id, *conditions).values(values))
    return changed.rowcount == 1


def _run_by(executor: str) -> tuple[ColumnElement[bool], ...]:
    return Row.status == "running", Row.executor == executor
