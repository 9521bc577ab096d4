"""What the tests run in a child process; a child imports it by name."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from core.records import BadInput, Candidate, Deployment, Finding, Report
from core.sandbox import model_errors, open_session


def add(first: int, second: int = 1) -> int:
    return first + second


def bare(value):  # no annotations, on purpose
    return value


def same_candidate(candidate: Candidate, findings: tuple[Finding, ...]) -> dict[str, Candidate]:
    assert isinstance(candidate, Candidate)
    assert all(isinstance(finding, Finding) for finding in findings)
    return {finding.code: candidate for finding in findings}


def same_path(path: Path) -> Path:
    return path


def same_paths(paths: dict[str, Path]) -> tuple[Path, ...]:
    return tuple(paths.values())


def same_floats(values: tuple[float, ...]) -> tuple[float, ...]:
    return values


def nothing() -> None:
    return None


def reports(steps: int, report: Report) -> str:
    for step in range(steps):
        report(step / steps, f"step {step}")
    return "done"


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def refuse(sentence: str) -> None:
    raise BadInput(sentence)


def fail() -> None:
    raise KeyError("a secret word")


def wrong_result() -> int:
    return "not a number"  # type: ignore[return-value]


def abort() -> None:
    os.abort()


def read_null() -> int:
    return len(ctypes.string_at(0))


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    sys.exit(3)


def allocate(count: int) -> int:
    return len(bytearray(count))


def map_file(path: Path, count: int) -> int:
    import numpy as np

    with path.open("wb") as file:
        file.truncate(count)
    return int(np.memmap(path, dtype=np.uint8, mode="r").size)


def compute_forever() -> None:
    while True:
        pass


def write_file(path: Path, count: int) -> None:
    with path.open("wb") as file:
        for _ in range(count // 2**16):
            file.write(bytes(2**16))


def environment() -> dict[str, str]:
    return dict(os.environ)


def place() -> tuple[Path, Path, tuple[str, ...]]:
    """Its working folder, the folder of its temporary files, and where it imports from."""
    (Path.cwd() / "left behind").mkdir()
    return Path.cwd(), Path(tempfile.gettempdir()), tuple(sys.path)


def processors() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0)))


def soft_limits() -> dict[str, int]:
    names = ("DATA", "AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE")
    return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0] for name in names}


def can_connect(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(("127.0.0.1", port)) == 0


def chatter(count: int) -> int:
    print('{"result": 666}')
    os.write(1, b'{"bad_input": "from C"}\n\xff\xfe')
    for _ in range(count):
        sys.stderr.write("noise " * 200 + "\n")
    return 1


def _reply_pipes() -> Iterable[int]:
    # A child keeps the number that its parent, which may have hundreds of files open, gave it.
    for number in (int(entry.name) for entry in Path("/proc/self/fd").iterdir()):
        try:
            link = Path(f"/proc/self/fd/{number}").readlink()
        except OSError:
            continue  # the listing's own
        if number > 2 and str(link).startswith("pipe:"):
            yield number


def answer_for_itself(text: str) -> int:
    """What a model that took the process over could do."""
    for pipe in _reply_pipes():
        os.write(pipe, text.encode())
    return 1


def answer_without_end() -> int:
    while True:
        for pipe in _reply_pipes():
            os.write(pipe, b"0" * 2**16)


def leave_child_behind() -> int:
    return subprocess.Popen(["/bin/sleep", "60"]).pid


def wait_with_child(report: Report) -> None:
    """Tells its own number and that of a child of its own, then waits for a minute."""
    own = subprocess.Popen(["/bin/sleep", "60"])
    report(0.5, json.dumps([os.getpid(), own.pid]))
    threading.Event().wait(60)


def hang_in_a_thread() -> int:
    threading.Thread(target=wait, args=(60,)).start()
    return 7


def run_model(path: Path) -> int:
    import numpy as np

    session = open_session(path, Deployment())
    with model_errors("The model cannot be run"):
        return len(session.run(None, {"x": np.ones((1, 4), np.float32)}))
