"""The command line as people start it: in a process and a working folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING
from core.records import Evaluation, from_json

ROOT = Path(__file__).parents[1]
ANSWER = "answer.json"
"""Exit code, standard output and standard error."""


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


class Run:
    """An evaluation that ran on the command line, with ``--json``, in a folder that is kept."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "results"
        self.cwd = folder / "cwd"
        self.code, self.printed, self.errors = json.loads((folder / ANSWER).read_bytes())

    @cached_property
    def evaluation(self) -> Evaluation:
        """As it stands in the results."""
        return from_json(Evaluation, (self.out / "evaluation.json").read_bytes())


def run_example(folder: Path) -> None:
    """Evaluates the bundled example into ``folder/results`` and keeps what was answered."""
    files = (MODEL_PATH, "--data", DATA_PATH, "--out", folder / "results")
    options = ("--preprocessing", PREPROCESSING.preset, "--effort", "quick", "--json")
    done = run_command("evaluate", *files, *options, folder=folder)
    (folder / ANSWER).write_text(json.dumps([done.returncode, done.stdout, done.stderr]))
