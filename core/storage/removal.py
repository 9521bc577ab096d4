"""Deleting evaluations, taking that back, and freeing what nothing refers to any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.records import BadInput
from core.storage.database import now
from core.storage.storage import Storage
from core.storage.tables import EvaluationRow, FileRow

_KEPT = timedelta(days=7)
_UPLOAD = timedelta(days=1)


def delete_evaluation(storage: Storage, id: str) -> None:
    """Takes an evaluation out of the list; for a week it can be restored.

    Raises:
        BadInput: It waits or runs.
    """
    with storage.engine.begin() as connection:
        changed = connection.execute(
            update(EvaluationRow)
            .where(EvaluationRow.id == id)
            .where(EvaluationRow.status.not_in(("queued", "running")))
            .values(deleted=now())
        )
    if changed.rowcount == 0:
        raise BadInput("Cancel this evaluation before you delete it.")


def restore_evaluation(storage: Storage, id: str) -> None:
    """Puts a deleted evaluation back into the list."""
    with storage.engine.begin() as connection:
        connection.execute(update(EvaluationRow).where(EvaluationRow.id == id).values(deleted=None))


def purge(storage: Storage, kept: timedelta = _KEPT, upload: timedelta = _UPLOAD) -> int:
    """Removes what was deleted long ago, and files that no evaluation refers to.

    Args:
        storage: Where.
        kept: How long a deleted evaluation can be restored.
        upload: How long a file may be in the store before an evaluation refers to it.

    Returns:
        The number of files that were removed.
    """
    before = (datetime.now(UTC) - kept).isoformat(timespec="milliseconds")
    with Session(storage.engine) as session:
        with session.begin():
            session.execute(delete(EvaluationRow).where(EvaluationRow.deleted < before))
        referred = set(session.scalars(select(FileRow.sha256).distinct()))
    forgotten = [sha256 for sha256 in storage.files.older_than(upload) if sha256 not in referred]
    for sha256 in forgotten:
        storage.files.delete(sha256)
    return len(forgotten)
