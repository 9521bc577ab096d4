"""Starts a child, listens to it, and sees to it that nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import core
from core.records import Report
from core.sandbox.failure import explain_end, out_of_time
from core.sandbox.limits import Limits
from core.sandbox.listen import Listener

_ROOT = Path(core.__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a child is told."""

    function: str
    """``module:name``."""
    arguments: dict[str, Any]
    limits: Limits
    cpus: tuple[int, ...] | None


def run_child(job: Job, folder: Path, report: Report | None) -> tuple[dict[str, Any], str]:
    """Runs a job in a new child process until it answers, ends or is stopped.

    Args:
        job: What to do.
        folder: The child's own, empty; its working folder and the place of its temporary files.
        report: See :func:`core.sandbox.call`.

    Returns:
        The child's last message, of which nothing is checked yet, and the end of what it printed.

    Raises:
        SandboxFailure: It ended without an answer, or was stopped.
    """
    deadline = time.monotonic() + job.limits.wall_seconds
    with _started(job, folder) as (process, listener):
        try:
            message = listener.listen(deadline, report)
        except TimeoutError as error:
            raise out_of_time(job.limits, listener.log) from error
    # By now the child is dead, whatever it did, and its exit status is known.
    if message is None:
        raise explain_end(process.returncode, listener.log, job.limits)
    return message, listener.log


@contextlib.contextmanager
def _started(job: Job, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Listener]]:
    """Starts the child, and kills it with all its own children on the way out."""
    replies, reply_end = os.pipe()
    printed, print_end = os.pipe()
    with os.fdopen(replies, "rb", 0) as heard, os.fdopen(printed, "rb", 0) as log:
        try:
            process = _spawn(job, folder, reply_end, print_end)
        finally:
            os.close(reply_end)
            os.close(print_end)
        listener = Listener(replies=heard, log=log)
        try:
            yield process, listener
        finally:
            # Not reaped yet, so its number, which is also its group's, is still its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            listener.drain_log()


def _spawn(job: Job, folder: Path, reply_end: int, print_end: int) -> subprocess.Popen[bytes]:
    # -P: the working folder stays off the import path, as uploads are unpacked there.
    # faulthandler: a crash leaves the Python stack in the log.
    command = [sys.executable, "-P", "-u", "-X", "faulthandler", "-m", "core.sandbox"]
    task = {**asdict(job), "reply": reply_end, "parent": os.getpid()}
    # A file, not a pipe: a child that does not read cannot make us wait.
    with tempfile.TemporaryFile() as stdin:
        stdin.write(json.dumps(task).encode())
        stdin.seek(0)
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=print_end,
            stderr=print_end,
            pass_fds=(reply_end,),
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
        )


def _environment(folder: Path) -> dict[str, str]:
    """Returns all that the child's environment holds: no setting and no secret of ours."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(_ROOT),
        # The order of sets of names decides the order of nodes in a quantized file.
        "PYTHONHASHSEED": "0",
        # Saves each child a search through all installed packages.
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        # Threads are what the deployment says, and those are onnxruntime's own.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
