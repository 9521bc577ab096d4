"""Measures what all tools made with our own harness.

A short interleaved run ranks them all; the fastest then compete with ours in a full one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core import sandbox
from core.accuracy import paired_accuracy, predict
from core.measurement import measure_latency, rank_speed
from core.records import (
    AACheck,
    Accuracy,
    BadInput,
    Deployment,
    Latency,
    Policy,
    PreparedData,
    Ratio,
)
from tests.benchmarks.peers.rivals import Entry

BASELINE = "baseline"
ONE = Deployment(threads=1)
USUAL_S = 0.05
"""Of one run: so many runs fit into a turn of the short look."""
FINALISTS = 4
"""Peers' files that are timed in full, beside ours."""


@dataclass(frozen=True)
class Row:
    """An entry with what was measured of it; nothing, where it failed."""

    entry: Entry
    accuracy: Accuracy | None = None
    first_look: Ratio | None = None
    """From the short run; for all that answer."""
    latency: Latency | None = None
    """From the full run."""

    @property
    def speedup(self) -> Ratio | None:
        """The better known one."""
        return self.latency.speedup if self.latency is not None else self.first_look


@dataclass(frozen=True)
class Measured:
    """All rows of one run."""

    baseline: Latency
    baseline_accuracy: float
    aa_check: AACheck
    rows: tuple[Row, ...]


def measure(
    model: Path,
    entries: Sequence[Entry],
    prepared: PreparedData,
    *,
    policy: Policy,
    budget_s: float,
) -> Measured:
    """Takes the drop of each entry on the confirm split, and times those that answer.

    Args:
        model: The baseline.
        entries: Ours first.
        prepared: The dataset.
        policy: What counts as kept.
        budget_s: Seconds for the full run.

    Raises:
        BadInput: The baseline itself does not run on these samples.
    """
    labels: list[int] = sandbox.load_labels(prepared, "confirm").tolist()
    before = sandbox.call(predict, model, prepared, "confirm", ONE)
    rows = []
    for entry in entries:
        if entry.file is None:
            rows.append(Row(entry))
            continue
        try:
            after = sandbox.call(predict, entry.file, prepared, "confirm", ONE)
        except (BadInput, sandbox.SandboxFailure) as failure:
            rows.append(Row(replace(entry, failure=f"does not run: {failure}")))
            continue
        accuracy = paired_accuracy(
            labels,
            before.classes,
            after.classes,
            split="confirm",
            threshold_points=policy.max_drop_points,
            confidence=policy.confidence,
        )
        rows.append(Row(entry, accuracy))
    rows = _ranked(model, rows, prepared)
    ours, *others = rows
    most = ours.accuracy.drop_points.value if ours.accuracy else policy.max_drop_points
    answer = [row for row in others if row.accuracy and row.first_look]
    answer.sort(key=lambda row: (row.accuracy.drop_points.value > most, -row.first_look.ratio))
    finalists = [row for row in (ours, *answer[:FINALISTS]) if row.first_look]
    found = measure_latency(
        {BASELINE: model} | {str(rows.index(row)): row.entry.file for row in finalists},
        prepared,
        ONE,
        effort="standard",
        seed=1,
        budget_s=budget_s,
        report=lambda _fraction, _words: None,
    )
    right = sum(label == answer for label, answer in zip(labels, before.classes, strict=True))
    return Measured(
        found.latencies[BASELINE],
        right / len(labels),
        found.aa_check,
        tuple(
            replace(row, latency=found.latencies.get(str(number)))
            for number, row in enumerate(rows)
        ),
    )


def _ranked(model: Path, rows: Sequence[Row], prepared: PreparedData) -> list[Row]:
    """The rows with the speed of a short run, those that answer."""
    files = {
        str(number): row.entry.file
        for number, row in enumerate(rows)
        if row.accuracy is not None and row.entry.file is not None
    }
    speeds = rank_speed(
        {BASELINE: model} | files,
        prepared,
        ONE,
        baseline=BASELINE,
        baseline_s=USUAL_S,
        seed=1,
        report=lambda _fraction, _words: None,
    )
    return [replace(row, first_look=speeds.get(str(number))) for number, row in enumerate(rows)]
