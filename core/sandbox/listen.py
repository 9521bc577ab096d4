"""What a parent hears from its child: progress and an answer on one pipe, prints on another."""

from __future__ import annotations

import json
import math
import os
import selectors
import time
from typing import Any, BinaryIO

from core.records import Report
from core.sandbox.failure import bad_answer

MAX_ANSWER_BYTES = 64 * 1024**2
TICK_S = 0.5
"""The longest time between two calls of ``report``."""

_CHUNK_BYTES = 64 * 1024
_LOG_BYTES = 32 * 1024
_WORDS_CHARACTERS = 200


class Listener:
    """Reads a child's two pipes without ever waiting for one of them.

    Args:
        replies: Lines of JSON: ``{"progress": [fraction, words]}`` many times, then one other.
        log: Anything, of which the end is kept.
    """

    def __init__(self, *, replies: BinaryIO, log: BinaryIO) -> None:
        self._replies = replies
        self._log_pipe = log
        os.set_blocking(log.fileno(), False)
        self._unread = bytearray()
        self._log = bytearray()
        self._progress = (0.0, "")
        self._told: tuple[float, str] | None = None
        self._told_at = -math.inf

    @property
    def log(self) -> str:
        """The end of what the child printed so far."""
        return self._log.decode(errors="replace")

    def listen(self, deadline: float, report: Report | None) -> dict[str, Any] | None:
        """Waits for the answer.

        Args:
            deadline: On the monotonic clock, seconds.
            report: Told the progress when there is news, and every :data:`TICK_S`.

        Returns:
            The child's last message; ``None`` if it ended without one.

        Raises:
            TimeoutError: The deadline passed.
            SandboxFailure: What it sends is no message.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            selector.register(self._log_pipe, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                ready = {key.fileobj for key, _ in selector.select(min(left, TICK_S))}
                if self._log_pipe in ready and not self._read_log():
                    selector.unregister(self._log_pipe)
                if self._replies in ready:
                    chunk = self._replies.read(_CHUNK_BYTES)
                    if not chunk:
                        return None
                    answer = self._hear(chunk)
                    if answer is not None:
                        return answer
                if report is not None:
                    self._tell(report)
        raise TimeoutError

    def drain_log(self) -> None:
        """Reads what a dead child left in its log."""
        while self._read_log():
            pass

    def _read_log(self) -> bool:
        chunk = self._log_pipe.read(_CHUNK_BYTES)
        if not chunk:  # None: nothing there now; b"": closed
            return False
        self._log += chunk
        del self._log[:-_LOG_BYTES]
        return True

    def _hear(self, chunk: bytes) -> dict[str, Any] | None:
        self._unread += chunk
        if len(self._unread) > MAX_ANSWER_BYTES:
            raise bad_answer(f"more than {MAX_ANSWER_BYTES} bytes\n{self.log}")
        if b"\n" not in chunk:
            return None
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            message = self._parse(line)
            if "progress" not in message:
                return message
            self._note(message["progress"])
        return None

    def _parse(self, line: bytearray) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise bad_answer(f"not JSON: {error}\n{self.log}") from error
        if not isinstance(message, dict):
            raise bad_answer(f"not a message: {line[:100]!r}\n{self.log}")
        return message

    def _note(self, progress: Any) -> None:
        match progress:
            case [int() | float() as fraction, str() as words] if 0 <= fraction <= 1:
                self._progress = (float(fraction), words[:_WORDS_CHARACTERS])
            case _:
                raise bad_answer(f"no progress: {str(progress)[:100]}\n{self.log}")

    def _tell(self, report: Report) -> None:
        now = time.monotonic()
        if self._progress != self._told or now - self._told_at >= TICK_S:
            self._told, self._told_at = self._progress, now
            report(*self._progress)
