"""Runs a function in a limited child process as if it were called here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from core.records import BadInput, Report
from core.sandbox import wire
from core.sandbox.failure import bad_answer
from core.sandbox.limits import DEFAULT_LIMITS, Limits
from core.sandbox.process import Job, run_child

T = TypeVar("T")

_SENTENCE_CHARACTERS = 1_000


def call(
    function: Callable[..., T],
    /,
    *args: Any,
    limits: Limits = DEFAULT_LIMITS,
    report: Report | None = None,
    cpus: Sequence[int] | None = None,
    **kwargs: Any,
) -> T:
    """Calls a module-level function in a fresh, limited child process.

    The child has a session, a temporary folder (its working folder, removed afterwards) and an
    environment of its own, and no network where the host allows that. Arguments and result
    cross as JSON by the function's annotations; numbers, text, paths, records, and tuples and
    dicts of them.

    Args:
        function: Of an importable module, annotated throughout. Its parameter ``report``, if
            it has one, is filled in by the child; what it says there arrives at ``report`` here.
        *args: Its positional arguments.
        limits: What it may use.
        report: Told the progress, at least twice a second even if there is no news. If it
            raises, the child is killed and the exception leaves this call: that is how cancel
            works.
        cpus: Processors the child stays on; ``None``: all.
        **kwargs: Its other arguments. (A parameter of its own named ``limits`` or ``cpus`` can
            only be given by position.)

    Returns:
        What the function returned, checked against its annotation.

    Raises:
        BadInput: The function raised it.
        SandboxFailure: The function crashed, was stopped, or raised anything else.
    """
    job = Job(
        function=wire.address(function),
        arguments=wire.pack(function, args, kwargs),
        limits=limits,
        cpus=tuple(cpus) if cpus is not None else None,
    )
    # What a child does to its folder must not turn its answer into an error.
    with tempfile.TemporaryDirectory(prefix="measure-first-", ignore_cleanup_errors=True) as folder:
        message, log = run_child(job, Path(folder), report)
    if "bad_input" in message:
        raise BadInput(str(message["bad_input"])[:_SENTENCE_CHARACTERS])
    try:
        result: T = wire.unpack(function, message.get("result"))
    except ValidationError as error:
        raise bad_answer(f"{error}\n{log}") from error
    return result
