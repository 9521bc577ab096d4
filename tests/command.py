"""The command line as people start it: in a process and a working folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.records import Evaluation, from_json

ROOT = Path(__file__).parents[1]


def environment(folder: Path) -> dict[str, str]:
    """Variables under which everything the app keeps goes below a folder."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MF_DATABASE_URL": f"sqlite:///{folder / 'data' / 'test.db'}",
        "MF_STORE": str(folder / "data" / "store"),
    }


def command(*arguments: str | Path) -> list[str]:
    """The command line of ``python -m core``."""
    return [sys.executable, "-m", "core", *map(str, arguments)]


def run_command(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs one command in ``folder/cwd``, to its end."""
    (folder / "cwd").mkdir(exist_ok=True)
    return subprocess.run(
        command(*arguments),
        cwd=folder / "cwd",
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Run:
    """An evaluation that ran on the command line, with ``--json``."""

    code: int
    printed: str
    errors: str
    out: Path
    cwd: Path

    @cached_property
    def evaluation(self) -> Evaluation:
        """As it stands in the results."""
        return from_json(Evaluation, (self.out / "evaluation.json").read_bytes())
