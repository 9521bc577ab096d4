"""The candidate that our own evaluation of the same model and data chooses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from core.records import Candidate, Evaluation, from_json
from tests.benchmarks.peers.processes import Failed, Limits, last_words, run
from tests.benchmarks.peers.rivals import Entry

OURS = "Measure First"
_COST = "cost.json"
_NO_SHIP = (1, 3)
"""Exit codes of an evaluation that was finished and does not say "ship"."""


def evaluate(
    model: Path, data: Path, preprocessing: str, max_drop: float, folder: Path
) -> Evaluation:
    """Reads the evaluation in a folder; makes it there, as the command line does, if none is.

    Raises:
        Failed: It cannot be made.
    """
    result = folder / "evaluation.json"
    if not result.is_file():
        print(f"Evaluating {model.name} into {folder}", file=sys.stderr)
        command = [sys.executable, "-m", "core", "evaluate", model, "--data", data]
        command += ["--out", folder, "--preprocessing", preprocessing, "--threads", "1"]
        command += ["--max-drop", str(max_drop)]
        cost = run(command, Limits(seconds=7200.0), accepted=(0, *_NO_SHIP))
        if not result.is_file():
            raise Failed(f"Our evaluation was not finished: {last_words(cost.errors)}")
        (folder / _COST).write_text(
            json.dumps({"seconds": cost.seconds, "peak_rss_bytes": cost.peak_rss_bytes})
        )
    return from_json(Evaluation, result.read_bytes())


def chosen(evaluation: Evaluation) -> Candidate | None:
    """The verdict's candidate; where it has none, the fastest that the gate does not fail."""
    measured = [row for row in evaluation.candidates[1:] if row.file and row.latency]
    for row in measured:
        if row.id == evaluation.verdict.candidate:
            return row
    for gate in ("pass", "undecided"):
        rows = [row for row in measured if row.accuracy and row.accuracy.gate == gate]
        if rows:
            return max(rows, key=lambda row: row.latency.speedup.ratio)
    return None


def entry(evaluation: Evaluation, folder: Path) -> Entry:
    """The row of our candidate; its seconds are those of the whole evaluation."""
    candidate = chosen(evaluation)
    if candidate is None:
        return Entry(OURS, "", failure=f"no candidate: {evaluation.verdict.sentence}")
    file = folder / candidate.file
    if not file.is_file():
        return Entry(OURS, candidate.id, failure=f"its file is not in the folder: {candidate.file}")
    cost = {"seconds": None, "peak_rss_bytes": None}
    if (folder / _COST).is_file():
        cost = json.loads((folder / _COST).read_text())
    return Entry(OURS, candidate.id, "", file, **cost)
