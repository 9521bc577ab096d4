"""What is measured once in a test session, however many processes it runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock


@contextmanager
def shared_folder(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder that all processes of a test session share, one of them in it at a time.

    What takes a minute to measure is measured by the first, and read by the others.
    """
    base = factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(root / f"{name}.lock"):
        folder = root / name
        folder.mkdir(exist_ok=True)
        yield folder
