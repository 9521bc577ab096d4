"""An environment for each peer, made on request and kept in a cache folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.benchmarks.peers.catalogue import Peer
from tests.benchmarks.peers.processes import Limits, run

_INSTALLING = Limits(seconds=1800.0)


def interpreter_for(peer: Peer, cache: Path) -> Path:
    """The peer's Python; its environment is made if it is not there as it should be.

    Raises:
        Failed: It does not install.
    """
    folder = cache.resolve() / peer.name
    python = folder / "bin" / "python"
    stamp = folder / "installed.txt"
    wanted = "\n".join(peer.requirements) + "\n"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    if folder.exists():
        shutil.rmtree(folder)
    print(f"Installing {peer.name} into {folder}", file=sys.stderr)
    run([sys.executable, "-m", "venv", folder], _INSTALLING)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    run([*pip, "install", "--quiet", *peer.requirements], _INSTALLING)
    stamp.write_text(wanted)
    return python


def version_of(peer: Peer, python: Path) -> str:
    """The version of the peer's package that is installed."""
    code = f"from importlib.metadata import version; print(version({peer.package!r}))"
    return run([python, "-c", code], _INSTALLING).output.strip()
