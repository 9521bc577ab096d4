"""What the database gives out: evaluations and files as frozen records, free of any session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.records import (
    DatasetProfile,
    Evaluation,
    ModelProfile,
    Outcome,
    Progress,
    Request,
)

EvaluationStatus = Literal["draft", "queued", "running", "finished", "failed", "cancelled"]
FileRole = Literal["model", "data", "output"]
Decision = Literal["approved", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file in the store and the name it has in an evaluation.

    Of an upload the name is the user's own; of an output it is the path relative to the
    evaluation's folder, as in :attr:`core.records.Candidate.file`.
    """

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """What a colleague decided on the evidence."""

    who: str
    decision: Decision
    note: str
    created: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSummary:
    """A row of the list of evaluations."""

    id: str
    name: str
    status: EvaluationStatus
    machine_class: str
    example: bool
    created: str
    """UTC, ISO 8601, like the other times."""
    created_by: str | None
    finished: str | None
    position: int | None
    """Place in the queue of its machine class, 1 is next; None: it does not wait."""
    progress: Progress | None
    error: str | None
    outcome: Outcome | None
    sentence: str | None
    """The verdict in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvaluation:
    """All that is kept of one evaluation."""

    id: str
    name: str
    status: EvaluationStatus
    machine_class: str
    example: bool
    created: str
    created_by: str | None
    queued: str | None
    started: str | None
    finished: str | None
    deleted: str | None
    model_files: tuple[StoredFile, ...]
    data_files: tuple[StoredFile, ...]
    output_files: tuple[StoredFile, ...]
    model_profile: ModelProfile | None
    dataset_profile: DatasetProfile | None
    request: Request | None
    progress: Progress | None
    error: str | None
    """One sentence for people; set where the status is ``failed``."""
    result: Evaluation | None
    sign_offs: tuple[SignOff, ...]
    attempts: int
    """How often a worker has taken up the step that runs now."""
