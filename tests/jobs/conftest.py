import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.records import Request
from core.storage import (
    Settings,
    Storage,
    StoredEvaluation,
    create_draft,
    get_evaluation,
    open_storage,
    update_draft,
)
from tests.conftest import DATABASES, fresh_database

ROOT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Waits for something to become true, and returns it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        threading.Event().wait(0.05)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs: not gone, and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@dataclass
class House:
    """An installation with its database, store and workers; its folder holds diary and gates."""

    storage: Storage
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def draft(self, *steps: dict[str, Any], machine_class: str = "default") -> str:
        """A draft whose steps do what they say; ``{"name": "a"}`` does nothing."""
        script = [{**step, "diary": str(self.folder / "diary")} for step in steps]
        put = self.storage.files.put
        id = create_draft(self.storage, name="Digits", machine_class=machine_class)
        update_draft(
            self.storage,
            id,
            model_files=[put(io.BytesIO(b"the model"), "model.onnx")],
            data_files=[put(io.BytesIO(json.dumps(script).encode()), "data.npz")],
            request=Request(seed=3),
        )
        return id

    def gate(self, name: str = "gate") -> Path:
        """A step can wait for this file."""
        return self.folder / name

    @property
    def diary(self) -> list[list[str]]:
        """What the steps noted, line by line, word by word."""
        path = self.folder / "diary"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def begun(self) -> list[str]:
        """The steps that were begun, in order."""
        return [line[1] for line in self.diary if line[0] == "begin"]

    def waiting_child(self, number: int = 1) -> int:
        """The process in which a step waits at its gate."""

        def children() -> list[str]:
            return [line[1] for line in self.diary if line[0] == "child"]

        wait_until(lambda: len(children()) >= number, f"child {number} waits")
        return int(children()[number - 1])

    def worker(
        self, machine_class: str = "default", *, machine: str = "", stale_after_s: float = 60.0
    ) -> subprocess.Popen[bytes]:
        """Starts a worker; another machine has only the database and the store in common."""
        store = Path(self.storage.settings.store)
        if machine:
            (self.folder / machine).mkdir()
            (self.folder / machine / "store").symlink_to(store)
            store = self.folder / machine / "store"
        return self.start("worker_process", machine_class, str(stale_after_s), "0", store=store)

    def start(self, module: str, *arguments: str, store: Path | None = None) -> Any:
        """Starts a process of this installation."""
        settings = self.storage.settings
        variables = {"MF_DATABASE_URL": settings.database_url, "MF_STORE": settings.store}
        if store:
            variables["MF_STORE"] = str(store)
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.jobs.{module}", *arguments],
            cwd=ROOT,
            env={**os.environ, **variables},
        )
        self.processes.append(process)
        return process

    def get(self, id: str) -> StoredEvaluation:
        """The evaluation as it is now."""
        found = get_evaluation(self.storage, id)
        assert found is not None
        return found

    def reaches(self, id: str, status: str) -> StoredEvaluation:
        """Waits for a status."""
        wait_until(lambda: self.get(id).status == status, f"{id} is {status}")
        return self.get(id)


@contextmanager
def new_house(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[House]:
    """A house that nobody has lived in."""
    data = folder / "data"
    with fresh_database(kind, request, folder) as url:
        house = House(open_storage(Settings(url, str(data / "store"), data / "work")), folder)
        yield house
        for process in house.processes:
            process.kill()
            process.wait()
        house.storage.engine.dispose()


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A house on SQLite, or on the database that a test is parametrized with."""
    with new_house(getattr(request, "param", "sqlite"), request, tmp_path) as house:
        yield house


@pytest.fixture(scope="module", params=DATABASES)
def _served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with new_house(request.param, request, tmp_path_factory.mktemp("served")) as house:
        house.worker()
        yield house


@pytest.fixture
def served(_served: House, tmp_path: Path) -> House:
    """A house on each database, whose worker is up and lives through several tests."""
    return replace(_served, folder=tmp_path)
