"""Reading evaluations: one with all that belongs to it, or the list of all."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session, selectinload

from core.records import (
    DatasetProfile,
    Evaluation,
    ModelProfile,
    Outcome,
    Progress,
    Request,
    from_plain,
)
from core.storage.storage import Storage
from core.storage.stored import (
    Decision,
    EvaluationStatus,
    EvaluationSummary,
    SignOff,
    StoredEvaluation,
    StoredFile,
)
from core.storage.tables import EvaluationRow, Plain

T = TypeVar("T")


def get_evaluation(storage: Storage, id: str) -> StoredEvaluation | None:
    """Reads one evaluation; None where there is none with this id.

    A deleted one is given too, with :attr:`StoredEvaluation.deleted` set, until it is purged.
    """
    with Session(storage.engine) as session:
        row = session.get(
            EvaluationRow,
            id,
            options=[selectinload(EvaluationRow.files), selectinload(EvaluationRow.sign_offs)],
        )
        return None if row is None else _evaluation(row)


def list_evaluations(
    storage: Storage, *, id: str | None = None, active: bool = False, limit: int = 200
) -> tuple[EvaluationSummary, ...]:
    """Lists evaluations that are not deleted, newest first.

    Args:
        storage: Where.
        id: Only the one with this id.
        active: Only those that wait in a queue or run.
        limit: How many at most.
    """
    row = EvaluationRow
    query = select(
        row.id,
        row.name,
        row.status,
        row.machine_class,
        row.example,
        row.created,
        row.created_by,
        row.finished,
        row.progress,
        row.error,
        row.outcome,
        row.sentence,
        _position(),
    ).where(row.deleted.is_(None))
    if id is not None:
        query = query.where(row.id == id)
    if active:
        query = query.where(row.status.in_(("queued", "running")))
    with Session(storage.engine) as session:
        rows = session.execute(query.order_by(row.created.desc(), row.id).limit(limit)).all()
    return tuple(_summary(found) for found in rows)


def _position() -> Any:
    """How many wait up to and including a row, in the queue that the row is in."""
    row, other = EvaluationRow.__table__, EvaluationRow.__table__.alias()
    waiting: Select[Any] = (
        select(func.count())
        .select_from(other)
        .where(other.c.status == "queued", other.c.machine_class == row.c.machine_class)
        .where(other.c.queued <= row.c.queued)
        .correlate(row)
    )
    return waiting.scalar_subquery().label("position")


def _summary(row: Row[*tuple[Any, ...]]) -> EvaluationSummary:
    return EvaluationSummary(
        id=row.id,
        name=row.name,
        status=cast(EvaluationStatus, row.status),
        machine_class=row.machine_class,
        example=row.example,
        created=row.created,
        created_by=row.created_by,
        finished=row.finished,
        position=row.position if row.status == "queued" else None,
        progress=_record(Progress, row.progress),
        error=row.error,
        outcome=cast("Outcome | None", row.outcome),
        sentence=row.sentence,
    )


def _evaluation(row: EvaluationRow) -> StoredEvaluation:
    return StoredEvaluation(
        id=row.id,
        name=row.name,
        status=cast(EvaluationStatus, row.status),
        machine_class=row.machine_class,
        example=row.example,
        created=row.created,
        created_by=row.created_by,
        queued=row.queued,
        started=row.started,
        finished=row.finished,
        deleted=row.deleted,
        model_files=_files(row, "model"),
        data_files=_files(row, "data"),
        output_files=_files(row, "output"),
        model_profile=_record(ModelProfile, row.model_profile),
        dataset_profile=_record(DatasetProfile, row.dataset_profile),
        request=_record(Request, row.request),
        progress=_record(Progress, row.progress),
        error=row.error,
        result=_record(Evaluation, row.result),
        sign_offs=_sign_offs(row),
        attempts=row.attempts,
    )


def _files(row: EvaluationRow, role: str) -> tuple[StoredFile, ...]:
    return tuple(
        StoredFile(name=file.name, sha256=file.sha256, size_bytes=file.size_bytes)
        for file in row.files
        if file.role == role
    )


def _sign_offs(row: EvaluationRow) -> tuple[SignOff, ...]:
    return tuple(
        SignOff(who=s.who, decision=cast(Decision, s.decision), note=s.note, created=s.created)
        for s in row.sign_offs
    )


def _record(kind: type[T], plain: Plain | None) -> T | None:
    return None if plain is None else from_plain(kind, plain)
