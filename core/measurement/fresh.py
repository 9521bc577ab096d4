"""Fresh processes inside the sandbox, at the price of a fork each.

A sandbox child that has imported no more than numpy forks a process for each sample; so all of
them start from the same state, within the sandbox's limits and on its cores. Elsewhere than on
Linux, where forking is not safe, each is started anew. onnxruntime is imported in the new
process, before its work begins: it starts threads, and a process with threads must not fork.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Collection
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from core.records import BadInput
from core.sandbox import stay_on

T = TypeVar("T")


def run_fresh(function: Callable[..., T], *args: object, cpus: Collection[int] | None = None) -> T:
    """Runs a module-level function in a new process and returns what it returns.

    To be called in the sandbox, by a process that has not imported onnxruntime.

    Args:
        function: What to run.
        *args: Its arguments.
        cpus: Processors that the new process stays on; ``None``: all.

    Raises:
        BadInput: The function raised it.
        RuntimeError: The process ended without an answer.
    """
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, args, cpus))
    process.start()
    sender.close()  # or the end of the process would not close the pipe
    try:
        good, answer = receiver.recv()
    except EOFError as error:
        process.join()
        message = f"a fresh process ended with exit code {process.exitcode}"
        raise RuntimeError(message) from error
    process.join()
    if not good:
        raise BadInput(answer)
    result: T = answer
    return result


def _answer(
    sender: Connection,
    function: Callable[..., Any],
    args: tuple[object, ...],
    cpus: Collection[int] | None,
) -> None:
    import onnxruntime  # noqa: F401  (the functions take it for granted)

    if cpus is not None:
        stay_on(cpus)
    try:
        sender.send((True, function(*args)))
    except BadInput as error:
        sender.send((False, str(error)))
