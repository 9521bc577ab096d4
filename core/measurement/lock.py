"""One measurement at a time on a machine, whoever started it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from core.records import BadInput, Report

_NAME = "measure-first.lock"
_LOOK_EVERY_S = 0.5
_WORDS = "waiting for another measurement on this machine"


@contextlib.contextmanager
def machine_lock(report: Report) -> Iterator[None]:
    """Holds the machine for one measurement; workers and command lines wait for one another.

    A thread that holds it may take it again, so a long piece of work can hold it around several
    measurements, each of which takes it itself. The system releases it when a process dies.

    Args:
        report: Told while waiting, twice a second; if it raises, the wait ends. That is how
            cancel works.

    Raises:
        BadInput: The lock file belongs to another user and cannot be used.
    """
    path = Path(tempfile.gettempdir()) / _NAME
    # A singleton: every measurement of a process meets the same lock, and may nest.
    lock = FileLock(path, mode=0o666, is_singleton=True)
    while True:
        try:
            lock.acquire(timeout=_LOOK_EVERY_S)
            break
        except Timeout:
            report(0.0, _WORDS)
        except PermissionError as error:
            message = (
                f"The lock file {path} belongs to another user; let that user delete it, or run "
                "as that user."
            )
            raise BadInput(message) from error
    try:
        yield
    finally:
        lock.release()
