"""Keeps a worker running beside the server."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from core.storage import Settings

_log = logging.getLogger(__name__)
_STOP_S = 10.0
_STEADY_S = 60.0
_LONGEST_PAUSE_S = 30.0


class Supervisor:
    """Starts a process, and starts it again whenever it ends, until it is stopped.

    Args:
        command: What to run.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._stopping = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the process: asks it to, and kills it if it has not within ten seconds."""
        self._stopping.set()
        self._thread.join()
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # In a session of its own: Ctrl-C is for the server, which then ends it in order.
        return subprocess.Popen(self._command, start_new_session=True)

    def _watch(self) -> None:
        pause = 1.0
        started = time.monotonic()
        while not self._stopping.wait(0.5):
            if self._process.poll() is None:
                continue
            if time.monotonic() - started > _STEADY_S:
                pause = 1.0
            _log.warning(
                "The worker ended (%s); starting it again in %g s",
                self._process.returncode,
                pause,
            )
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            started = time.monotonic()
            self._process = self._start()


def start_worker() -> Supervisor | None:
    """Starts a worker that ends with this process, and keeps one running.

    Returns:
        What stops it; None if ``MF_WORKER=off``.
    """
    if not Settings.from_environment().worker:
        return None
    return Supervisor([sys.executable, "-m", "core", "worker", "--parent", str(os.getpid())])
