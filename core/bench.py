"""What the steps of an evaluation work on, and the records in which they answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.accuracy import Predictions
from core.measurement import LatencyResult
from core.records import (
    Accuracy,
    Candidate,
    ColdStart,
    Finding,
    Machine,
    ModelProfile,
    PreparedData,
    Recipe,
    Request,
)

BASELINE = Recipe(id="baseline", method="none", note="The file as it was uploaded.")


@dataclass(frozen=True, slots=True)
class Bench:
    """What every step after the intake needs."""

    model: Path
    profile: ModelProfile
    prepared: PreparedData
    request: Request
    folder: Path

    def path_of(self, candidate: str) -> Path:
        """Where a candidate's file is, made or yet to be made."""
        return self.folder / file_of(candidate)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The user's own file: its answers on both gated splits, and its latency alone."""

    search: Predictions
    confirm: Predictions
    findings: tuple[Finding, ...]
    latency: LatencyResult

    @property
    def plausible(self) -> bool:
        """Whether its accuracy is one that a drop can be measured from."""
        return not any(finding.severity == "error" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate with its answers so far: to the first samples of *search*, or to all."""

    candidate: Candidate
    answers: Predictions | None
    """None where there is no candidate to answer."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The baseline and all candidates, timed in the same rounds."""

    machine: Machine
    latency: LatencyResult


@dataclass(frozen=True, slots=True)
class Footprint:
    """Cold start and memory, by candidate."""

    cold_starts: dict[str, ColdStart]
    peak_rss_bytes: dict[str, int]


@dataclass(frozen=True, slots=True)
class SharedGate:
    """All candidates gated at once on *search* and *confirm* together, where either is too few."""

    baseline: Accuracy
    candidates: dict[str, Accuracy]
    """By candidate; without those that were no longer in the running."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The chosen candidate once more: on unseen samples, in a fresh run."""

    baseline_accuracy: Accuracy
    accuracy: Accuracy
    latency: LatencyResult


def file_of(candidate: str) -> str:
    """A candidate's file, relative to the evaluation's folder."""
    return f"models/{candidate}.onnx"
