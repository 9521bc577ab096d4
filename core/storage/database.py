"""Opening the database: SQLite on one machine, PostgreSQL across several."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url, select, text
from sqlalchemy.orm import Session

from core.records import BadInput
from core.storage.tables import SCHEMA_VERSION, Base, SchemaRow

_SCHEMA_LOCK = 0x4D46  # any number that every Measure First agrees on


def open_database(url: str) -> Engine:
    """Connects, and creates the tables where there are none.

    Args:
        url: SQLAlchemy URL of an SQLite file or a PostgreSQL database.

    Raises:
        BadInput: The database was made by another version of Measure First.
        sqlalchemy.exc.OperationalError: It cannot be reached.
    """
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, pool_pre_ping=not sqlite)
    if sqlite:
        event.listen(engine, "connect", _configure_sqlite)
    _create_tables(engine)
    return engine


def now() -> str:
    """The time as it stands in the tables: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # Take the write lock when a transaction begins: one that reads first and then finds
    # another has written in between would fail at once, whatever the timeout.
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _create_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        # Server and worker may both be the first to come.
        if engine.dialect.name == "sqlite":
            connection.execute(text("BEGIN IMMEDIATE"))
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            version = session.scalar(select(SchemaRow.version))
            if version is None:
                session.add(SchemaRow(version=SCHEMA_VERSION))
                session.flush()
            elif version != SCHEMA_VERSION:
                raise BadInput(
                    f"The database has schema {version}, this version of Measure First needs "
                    f"schema {SCHEMA_VERSION}; use the version that made it, or another database."
                )
