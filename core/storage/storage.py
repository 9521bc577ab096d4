"""Database and files together, as everything that keeps or finds evaluations needs them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Engine

from core.storage.database import open_database
from core.storage.files import Files
from core.storage.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """An opened installation of Measure First."""

    settings: Settings
    engine: Engine
    files: Files


def open_storage(settings: Settings | None = None) -> Storage:
    """Opens the database and the store; the same settings give the same object again.

    Args:
        settings: Default: :meth:`Settings.from_environment`.

    Raises:
        BadInput: A setting is wrong, or the database is another version's.
        sqlalchemy.exc.OperationalError: The database cannot be reached.
    """
    return _open(settings or Settings.from_environment())


@lru_cache
def _open(settings: Settings) -> Storage:
    return Storage(settings, open_database(settings.database_url), Files(settings.store))
