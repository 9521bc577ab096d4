"""The three settings, read from the environment. One machine needs none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.records import BadInput


@dataclass(frozen=True, slots=True)
class Settings:
    """Where evaluations are kept and whether this host works on them.

    Attributes:
        database_url: SQLAlchemy URL, SQLite or PostgreSQL (``MF_DATABASE_URL``).
        store: Folder or fsspec URL of the uploaded and the made files (``MF_STORE``).
        work: Folder for the files of running evaluations, always on this machine.
        worker: Whether the server starts a worker (``MF_WORKER=off``: it does not).
    """

    database_url: str
    store: str
    work: Path
    worker: bool = True

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, folder: Path | None = None
    ) -> Settings:
        """Reads the settings.

        Args:
            environment: Variables; empty ones count as unset.
            folder: What the defaults under ``data/`` are relative to; the current folder.

        Raises:
            BadInput: ``MF_WORKER`` is neither ``on`` nor ``off``.
        """
        data = (folder or Path.cwd()).resolve() / "data"
        store = environment.get("MF_STORE") or str(data / "store")
        worker = environment.get("MF_WORKER") or "on"
        if worker not in ("on", "off"):
            raise BadInput(f"MF_WORKER is {worker!r}; set it to on or off.")
        # Beside a local store: two installations that share nothing then share no work either.
        work = data / "work" if "://" in store else Path(store).absolute().parent / "work"
        return cls(
            database_url=environment.get("MF_DATABASE_URL")
            or f"sqlite:///{data / 'measure-first.db'}",
            store=store,
            work=work,
            worker=worker == "on",
        )
