"""One evaluation from the queue: to its result, or to a sentence that says why there is none."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import OperationalError

from core.jobs.journal import CheckpointJournal, Interrupted, Publisher
from core.jobs.workspace import Workspace
from core.journal import Journal
from core.records import BadInput, Evaluation, Request
from core.sandbox import SandboxFailure
from core.storage import Storage, StoredEvaluation, lifecycle

_log = logging.getLogger(__name__)
_MOST_ATTEMPTS = 3


class Evaluate(Protocol):
    """What a job does: :func:`core.evaluation.evaluate`."""

    def __call__(
        self,
        *,
        id: str,
        created: str,
        model: Path,
        data: Path,
        request: Request,
        folder: Path,
        journal: Journal,
    ) -> Evaluation:
        """Evaluates a model; see there."""


def unforeseen(id: str) -> str:
    """The sentence for what nobody foresaw."""
    return f"Something went wrong inside Measure First; the log has the details (reference {id})."


def run_job(
    id: str, *, storage: Storage, executor: str, stopping: threading.Event, evaluate: Evaluate
) -> None:
    """Takes an evaluation up, or takes it up again, and sees to it that it ends.

    Args:
        id: The evaluation's.
        storage: Where it is kept.
        executor: This worker's name.
        stopping: Set when the worker is to end.
        evaluate: Does the work.

    Raises:
        Interrupted: It goes on later, or elsewhere, or not at all; here there is nothing to do.
    """
    if stopping.is_set():
        raise Interrupted("The worker is being stopped.")
    evaluation = lifecycle.begin(storage, id, executor)
    if evaluation is None:
        return
    workspace = Workspace(storage, id)
    try:
        _run(evaluation, workspace, storage, executor, stopping, evaluate)
    except OperationalError as error:
        # The database is away. With its next heartbeat missing, the job is found and goes on.
        _log.warning("Evaluation %s is set aside: %s", id, error)
        raise Interrupted("The database could not be reached.") from error
    except Interrupted:
        if stopping.is_set():
            lifecycle.set_attempts(storage, id, executor, 0)
        else:
            workspace.remove()
        raise
    workspace.remove()


def _run(
    evaluation: StoredEvaluation,
    workspace: Workspace,
    storage: Storage,
    executor: str,
    stopping: threading.Event,
    evaluate: Evaluate,
) -> None:
    id = evaluation.id
    if evaluation.attempts > _MOST_ATTEMPTS:
        lifecycle.fail(
            storage,
            id,
            f"The worker died {_MOST_ATTEMPTS} times in the same step of this evaluation, mostly a "
            "sign of too little memory on its machine; try a smaller model or fewer samples.",
        )
        return
    assert evaluation.request is not None  # noqa: S101  (submit checks it)
    journal = CheckpointJournal(
        Publisher(storage, id, executor, stopping),
        advanced=lambda: lifecycle.set_attempts(storage, id, executor, 1),
    )
    try:
        model, data = workspace.fetch(evaluation)
        result = evaluate(
            id=id,
            created=evaluation.created,
            model=model,
            data=data,
            request=evaluation.request,
            folder=workspace.results,
            journal=journal,
        )
        lifecycle.finish(storage, id, executor, result, workspace.keep())
    except (BadInput, SandboxFailure) as problem:
        _log.info("Evaluation %s failed: %s %s", id, problem, getattr(problem, "detail", ""))
        lifecycle.fail(storage, id, str(problem))
    except OperationalError:
        raise
    except Exception:  # whatever it is, the queue goes on and the page says so
        _log.exception("Evaluation %s failed", id)
        lifecycle.fail(storage, id, unforeseen(id))
