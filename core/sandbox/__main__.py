"""The child: reads one job, gives up all it does not need, does it, and answers.

The answer goes to a pipe of its own, so that what libraries print cannot damage it. Only a
result or a :class:`~core.records.BadInput` is answered: any other exception ends the process
with its traceback on stderr, and the parent says what that means
(:mod:`core.sandbox.failure`).
"""

from __future__ import annotations

import json
import os
import pkgutil
import sys
import time
from typing import Any, BinaryIO

from core.records import BadInput, Report
from core.sandbox import wire
from core.sandbox.limits import Limits, confine, stay_on

_PROGRESS_INTERVAL_S = 0.1


def main() -> None:
    """Does the job that stdin holds."""
    job = json.load(sys.stdin)
    os.set_inheritable(job["reply"], False)
    # Before the function's module, and with it numpy or onnxruntime, is imported.
    confine(Limits(**job["limits"]), parent=job["parent"])
    if job["cpus"] is not None:
        stay_on(job["cpus"])
    # Not closed before the process ends: to the parent, a closed pipe means that it has.
    with open(job["reply"], "wb", closefd=False) as answers:
        function = pkgutil.resolve_name(job["function"])
        try:
            answer = {"result": wire.run(function, job["arguments"], _reporter(answers))}
        except BadInput as error:
            answer = {"bad_input": str(error)}
        _say(answers, answer)
    sys.stdout.flush()
    # All is said. A library that crashes or hangs while it is torn down must not undo it.
    os._exit(0)


def _reporter(answers: BinaryIO) -> Report:
    said_at = -_PROGRESS_INTERVAL_S

    def report(fraction: float, words: str) -> None:
        nonlocal said_at
        now = time.monotonic()
        if now - said_at >= _PROGRESS_INTERVAL_S:  # a loop over 50,000 images reports each
            said_at = now
            _say(answers, {"progress": [min(max(fraction, 0.0), 1.0), words]})

    return report


def _say(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
