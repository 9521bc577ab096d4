"""The real server, started as people start it, in a folder of its own."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from core.storage import Settings, Storage, StoredEvaluation, get_evaluation, open_storage

ROOT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """Waits for something to become true, and returns it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        threading.Event().wait(0.05)
    return found


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Server:
    """An installation whose server can be started, stopped, killed and started again.

    Attributes:
        folder: Database, store, work and log.
        options: More arguments for ``streamlit run``.
        worker: Whether it works on evaluations.
        port: The same after each start, so that links stay what they are.
    """

    folder: Path
    options: tuple[str, ...] = ()
    worker: bool = True
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _family: dict[int, psutil.Process] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Where the server keeps what it has."""
        data = self.folder / "data"
        return Settings(f"sqlite:///{data / 'test.db'}", str(data / "store"), data / "work")

    @property
    def storage(self) -> Storage:
        """The server's database and store, seen from the test."""
        return open_storage(self.settings)

    @property
    def log(self) -> str:
        """What server and worker have printed."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def get(self, id: str) -> StoredEvaluation:
        """An evaluation as it is now."""
        found = get_evaluation(self.storage, id)
        assert found is not None
        return found

    def url(self, page: str = "", id: str | None = None) -> str:
        """The address of a page."""
        return f"http://127.0.0.1:{self.port}/{page}" + (f"?id={id}" if id else "")

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        arguments = ["--server.port", str(self.port), "--server.address", "127.0.0.1"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", *arguments, *self.options],
                cwd=ROOT,
                env={
                    **os.environ,
                    "MF_DATABASE_URL": self.settings.database_url,
                    "MF_STORE": self.settings.store,
                    "MF_WORKER": "on" if self.worker else "off",
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, f"the server is up:\n{self.log}")

    def memory(self) -> int:
        """Bytes of RAM that the server itself has, without its worker."""
        rss: int = self._root().memory_info().rss
        return rss

    def worker_process(self) -> psutil.Process:
        """The worker that the server keeps."""

        def look() -> list[psutil.Process]:
            return [child for child in self._root().children() if "worker" in child.cmdline()]

        found: psutil.Process = wait_until(look, "the server has a worker")[0]
        return found

    def kill(self) -> None:
        """Ends the server as a power cut would; what it started is not told."""
        self._remember()
        self._root().kill()
        self._wait()

    def stop(self) -> None:
        """Ends the server in order, and whatever it should have left behind."""
        if self._process is not None:
            self._remember()
            self._root().terminate()
            self._wait()
        _, alive = psutil.wait_procs(list(self._family.values()), timeout=20)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=20)
        self.storage.engine.dispose()

    def _root(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def _remember(self) -> None:
        for process in self._root().children(recursive=True):
            self._family[process.pid] = process

    def _wait(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            with urlopen(self.url("_stcore/health"), timeout=5) as answer:  # noqa: S310  (our own)
                return bool(answer.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False
