"""Measures what all tools made with our own harness, in one interleaved run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core import sandbox
from core.accuracy import paired_accuracy, predict
from core.measurement import measure_latency
from core.records import AACheck, Accuracy, BadInput, Deployment, Latency, Policy, PreparedData
from tests.benchmarks.peers.rivals import Entry

BASELINE = "baseline"
ONE = Deployment(threads=1)


@dataclass(frozen=True)
class Row:
    """An entry with what was measured of it; nothing, where it failed."""

    entry: Entry
    accuracy: Accuracy | None = None
    latency: Latency | None = None


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
    files = {BASELINE: model} | {
        str(number): row.entry.file
        for number, row in enumerate(rows)
        if row.accuracy is not None and row.entry.file is not None
    }
    found = measure_latency(
        files,
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
