"""Which workers are alive."""

from __future__ import annotations

import time

from sqlalchemy import delete, func, insert, select, update

from core.storage.storage import Storage
from core.storage.tables import WorkerRow

_ALIVE_S = 20.0
_FORGOTTEN_S = 86_400.0


def beat(storage: Storage, executor: str, machine_class: str, host: str, pid: int) -> None:
    """A worker says that it lives."""
    values = {"machine_class": machine_class, "host": host, "pid": pid, "heartbeat": time.time()}
    with storage.engine.begin() as connection:
        known = connection.execute(
            update(WorkerRow).where(WorkerRow.executor == executor).values(values)
        )
        if known.rowcount == 0:
            connection.execute(
                delete(WorkerRow).where(WorkerRow.heartbeat < time.time() - _FORGOTTEN_S)
            )
            connection.execute(insert(WorkerRow).values(executor=executor, **values))


def leave(storage: Storage, executor: str) -> None:
    """A worker says that it ends."""
    with storage.engine.begin() as connection:
        connection.execute(delete(WorkerRow).where(WorkerRow.executor == executor))


def count_workers(storage: Storage, machine_class: str) -> int:
    """How many workers of a class were heard of in the last seconds."""
    query = (
        select(func.count())
        .select_from(WorkerRow)
        .where(WorkerRow.machine_class == machine_class)
        .where(WorkerRow.heartbeat > time.time() - _ALIVE_S)
    )
    with storage.engine.connect() as connection:
        return connection.execute(query).scalar_one()
