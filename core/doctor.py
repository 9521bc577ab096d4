"""``python -m core doctor``: is this machine fit to measure, and the installation to run?"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from core import sandbox
from core.measurement import fingerprint
from core.records import BadInput, Deployment
from core.storage import Settings, open_storage
from core.storage.workers import count_workers

_ROOM_BYTES = 5 * 10**9
_MEMORY_BYTES = 4 * 10**9


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at, and what to mend if it is not well."""

    name: str
    passed: bool
    sentence: str


def examine() -> Iterator[Check]:
    """Looks at the parts one after the other; a part that fails does not hide the next."""
    yield _python()
    for name, look in (
        ("sandbox", _sandbox),
        ("database", _database),
        ("store", _store),
        ("disk", _disk),
    ):
        yield _checked(name, look)
    yield from _machine()


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (BadInput, sandbox.SandboxFailure, SQLAlchemyError, OSError) as problem:
        return Check(name, False, str(problem).splitlines()[0])


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), f"Python {version}; 3.11 is the least.")


def onnxruntime_version() -> str:
    """Runs in the sandbox: the version that models are run with."""
    import onnxruntime

    return str(onnxruntime.__version__)


def _sandbox() -> str:
    return f"a limited child process runs onnxruntime {sandbox.call(onnxruntime_version)}."


def _database() -> str:
    storage = open_storage()
    alive = count_workers(storage, "default")
    workers = f"{alive} worker(s) alive" if alive else "no worker is running now"
    return f"{storage.engine.dialect.name} answers; {workers}."


def _store() -> str:
    store = open_storage().files
    kept = store.put(io.BytesIO(b"doctor"), "doctor")
    store.delete(kept.sha256)
    return "files can be written and removed."


def _disk() -> str:
    work = Settings.from_environment().work
    work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(work).free
    if free < _ROOM_BYTES:
        raise OSError(f"only {free / 1e9:.1f} GB are free at {work}; make room for 5 GB.")
    return f"{free / 1e9:.0f} GB free at {work}."


def _machine() -> Iterator[Check]:
    machine = fingerprint(Deployment())
    yield Check(
        "cpu", True, f"{machine.cpu_model}, {machine.cores} cores, {', '.join(machine.flags)}."
    )
    enough = machine.ram_bytes >= _MEMORY_BYTES
    yield Check("memory", enough, f"{machine.ram_bytes / 1e9:.0f} GB; 4 GB are the least.")
    for finding in machine.findings:
        yield Check("note", True, finding.sentence)
