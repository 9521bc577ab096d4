"""Makes each peer's models; each in the peer's environment, with nothing of this project in it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers.catalogue import Peer
from tests.benchmarks.peers.environments import interpreter_for, version_of
from tests.benchmarks.peers.processes import Failed, Limits, last_words, run

RUNNERS = Path(__file__).with_name("runners")
_QUIET = {  # none of these tools has to reach anything outside
    "HF_HUB_OFFLINE": "1",
    "OLIVE_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "CI": "true",
}


@dataclass(frozen=True)
class Entry:
    """One row to be: what a recipe of a tool made, or why it made nothing."""

    tool: str
    recipe: str
    version: str = ""
    file: Path | None = None
    seconds: float | None = None
    peak_rss_bytes: int | None = None
    failure: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the model with whatever weights lie beside it."""
        assert self.file is not None
        beside = self.file.parent.glob(f"{self.file.name}*data")
        return sum(part.stat().st_size for part in (self.file, *beside))


def make_all(
    peers: Iterable[Peer], model: Path, calibration: Path, cache: Path, work: Path, limits: Limits
) -> list[Entry]:
    """Makes one entry for each recipe of each peer; what fails says why."""
    entries = []
    for peer in peers:
        try:
            python = interpreter_for(peer, cache)
            version = version_of(peer, python)
        except Failed as failure:
            entries.append(Entry(peer.name, "", failure=f"does not install: {failure}"))
            continue
        for recipe in peer.recipes:
            print(f"{peer.name} {version}: {recipe}", file=sys.stderr)
            folder = work / f"{len(entries)}_{peer.name}"
            folder.mkdir()
            entries.append(make(peer, python, version, recipe, model, calibration, folder, limits))
    return entries


def make(
    peer: Peer,
    python: Path,
    version: str,
    recipe: str,
    model: Path,
    calibration: Path,
    folder: Path,
    limits: Limits,
) -> Entry:
    """Runs one recipe in a folder of its own."""
    out = folder / "made" / "model.onnx"
    scratch = folder / "scratch"
    out.parent.mkdir()
    scratch.mkdir()
    environment = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        **_QUIET,
    }
    try:
        cost = run(
            [python, RUNNERS / peer.script, recipe, model, calibration, out],
            limits,
            cwd=scratch,
            environment=environment,
        )
        if not out.is_file():
            raise Failed(f"Ended without a model: {last_words(cost.errors or cost.output)}")
    except Failed as failure:
        return Entry(peer.name, recipe, version, failure=str(failure))
    told = [line for line in cost.output.splitlines() if line.startswith('{"seconds"')]
    seconds = json.loads(told[-1])["seconds"]
    return Entry(peer.name, recipe, version, out, seconds, cost.peak_rss_bytes)
