"""Runs a command under a time and a memory limit, and says what it cost."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_LOOK_EVERY_S = 0.2
_SENTENCE_CHARACTERS = 180


class Failed(Exception):  # noqa: N818  (as BadInput: no error of ours)
    """A command failed; the message is one line."""


@dataclass(frozen=True)
class Cost:
    """What a finished command used."""

    seconds: float
    peak_rss_bytes: int
    """Of its largest process."""
    output: str
    errors: str


@dataclass(frozen=True)
class Limits:
    """What a command may use."""

    seconds: float = 1800.0
    rss_bytes: int = 12 << 30
    """Of all its processes together."""


def run(
    command: Sequence[str | Path],
    limits: Limits,
    *,
    accepted: Sequence[int] = (0,),
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Runs a command to its end.

    Raises:
        Failed: It ended with none of the accepted exit codes, or went beyond a limit.
    """
    with tempfile.TemporaryFile("w+b") as out, tempfile.TemporaryFile("w+b") as err:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
        usage, stopped = None, ""
        try:
            while True:
                # Unlike Popen.wait it says what the process and its descendants used.
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(status)
                    break
                stopped = stopped or _beyond(limits, process.pid, started)
                if stopped:
                    os.killpg(process.pid, signal.SIGKILL)
                time.sleep(_LOOK_EVERY_S)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
        seconds = time.monotonic() - started
        if stopped:
            raise Failed(stopped)
        if process.returncode not in accepted:
            words = last_words(_text(err) or _text(out))
            died = process.returncode < 0
            raise Failed(f"{signal.Signals(-process.returncode).name}: {words}" if died else words)
        return Cost(seconds, usage.ru_maxrss * 1024, _text(out), _text(err))


def _beyond(limits: Limits, pid: int, started: float) -> str:
    if time.monotonic() - started > limits.seconds:
        return f"Stopped after {limits.seconds:.0f} s."
    used = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            used += process.memory_info().rss
    except psutil.NoSuchProcess:
        return ""
    if used > limits.rss_bytes:
        return f"Stopped: it needed more than {limits.rss_bytes / 1e9:.0f} GB of memory."
    return ""


def _text(file) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def last_words(text: str) -> str:
    """The line of an output that says why: pip's first error, or the last line there is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines[-1:] or ["nothing was said"])[0][:_SENTENCE_CHARACTERS]
