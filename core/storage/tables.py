"""The tables. Times are UTC in ISO 8601, which sorts as text in every database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

SCHEMA_VERSION = 1
"""Raised with each change to these tables; the first change brings Alembic, not before."""

Plain = dict[str, Any]


class Base(DeclarativeBase):
    """Maps :data:`Plain` to JSON, with None as SQL's NULL."""

    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it as a plain class attribute)
        Plain: JSON(none_as_null=True),
    }


class SchemaRow(Base):
    """One row: the version of the tables in this database."""

    __tablename__ = "measure_first_schema"

    version: Mapped[int] = mapped_column(primary_key=True)


class EvaluationRow(Base):
    """An evaluation from its draft to its verdict."""

    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), index=True)
    machine_class: Mapped[str] = mapped_column(String(64))
    example: Mapped[bool]
    created: Mapped[str] = mapped_column(String(32), index=True)
    created_by: Mapped[str | None] = mapped_column(Text)
    queued: Mapped[str | None] = mapped_column(String(32))
    started: Mapped[str | None] = mapped_column(String(32))
    finished: Mapped[str | None] = mapped_column(String(32))
    deleted: Mapped[str | None] = mapped_column(String(32))

    model_profile: Mapped[Plain | None]
    dataset_profile: Mapped[Plain | None]
    request: Mapped[Plain | None]
    progress: Mapped[Plain | None]
    result: Mapped[Plain | None]
    error: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(String(32))
    sentence: Mapped[str | None] = mapped_column(Text)

    executor: Mapped[str | None] = mapped_column(String(64))
    """The worker that has it."""
    heartbeat: Mapped[int] = mapped_column(default=0)
    """A count that the worker raises; who watches it needs no clock in common with it."""
    attempts: Mapped[int] = mapped_column(default=0)

    files: Mapped[list[FileRow]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="FileRow.position"
    )
    sign_offs: Mapped[list[SignOffRow]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="SignOffRow.id"
    )


class FileRow(Base):
    """A file in the store that an evaluation refers to."""

    __tablename__ = "evaluation_files"

    evaluation_id: Mapped[str] = mapped_column(
        ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    position: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class SignOffRow(Base):
    """A colleague's decision on a finished evaluation."""

    __tablename__ = "sign_offs"

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[str] = mapped_column(
        ForeignKey("evaluations.id", ondelete="CASCADE"), index=True
    )
    who: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(32))


class WorkerRow(Base):
    """A worker that was seen; its heartbeat is seconds since 1970 on its own clock."""

    __tablename__ = "workers"

    executor: Mapped[str] = mapped_column(String(64), primary_key=True)
    machine_class: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int]
    heartbeat: Mapped[float]
