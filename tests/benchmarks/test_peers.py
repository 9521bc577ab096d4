import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import sandbox
from core.datasets import prepare
from core.intake import profile_model
from core.records import Policy
from tests.benchmarks.peers.catalogue import PEERS, Peer
from tests.benchmarks.peers.measure import measure
from tests.benchmarks.peers.processes import Failed, Limits, run
from tests.benchmarks.peers.rivals import RUNNERS, Entry, make, make_all
from tests.benchmarks.peers.table import render

FIXTURES = Path(__file__).parents[1] / "fixtures"
ROOT = Path(__file__).parents[2]
ONNXRUNTIME = PEERS[0]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_script_knows_the_recipes_of_its_peer(peer: Peer) -> None:
    tree = ast.parse((RUNNERS / peer.script).read_text())
    call = tree.body[-1].value
    assert call.func.id == "main"
    assert tuple(key.value for key in call.args[0].keys) == peer.recipes


def test_a_command_costs_what_its_largest_process_takes() -> None:
    inner = "b = bytearray(200 << 20)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    # A process inherits the peak of the one that starts it, so this has to be a small one.
    code = (
        "import sys; from tests.benchmarks.peers.processes import Limits, run; "
        f"print(run([sys.executable, '-c', {outer!r}], Limits()).peak_rss_bytes)"
    )
    found = subprocess.run(python(code), capture_output=True, check=True, cwd=ROOT)
    assert 200 << 20 < int(found.stdout) < 400 << 20


@pytest.mark.parametrize(
    ("code", "limits", "words"),
    [
        ("import time; time.sleep(60)", Limits(seconds=0.5), "Stopped after"),
        (
            "import time; b = bytearray(300 << 20); time.sleep(60)",
            Limits(rss_bytes=200 << 20),
            "GB",
        ),
        ("raise ValueError('no such type')", Limits(), "ValueError: no such type"),
        ("import os; os.abort()", Limits(), "SIGABRT"),
        ("import sys; sys.exit('x\\nERROR: none found\\nhint')", Limits(), "ERROR: none found"),
    ],
)
def test_a_command_that_fails_says_why_in_one_line(code: str, limits: Limits, words: str) -> None:
    with pytest.raises(Failed, match=words) as caught:
        run(python(code), limits)
    assert "\n" not in str(caught.value)


def test_a_peer_that_does_not_install_is_a_row(tmp_path: Path) -> None:
    peer = Peer("nowhere", "nowhere", (str(tmp_path / "nowhere.whl"),), ("static",))
    (entry,) = make_all([peer], tmp_path, tmp_path, tmp_path / "cache", tmp_path, Limits())
    assert entry.file is None
    assert entry.failure.startswith("does not install: ERROR:")


def test_what_a_peer_made_is_measured_and_ranked(tmp_path: Path) -> None:
    model = FIXTURES / "mlp_digits.onnx"
    profile = sandbox.call(profile_model, model)
    prepared = sandbox.call(prepare, FIXTURES / "digits.npz", profile, None, tmp_path / "data", 0)
    calibration = tmp_path / "calibration.npz"
    inputs = {name: a[:8] for name, a in sandbox.load_inputs(prepared, "calibration").items()}
    np.savez(calibration, **inputs)
    here = Path(sys.executable)
    made = [
        make(ONNXRUNTIME, here, "1", recipe, model, calibration, folder, Limits(seconds=120.0))
        for recipe in ("static, defaults", "dynamic, per channel", "no such recipe")
        if (folder := tmp_path / recipe).mkdir() is None
    ]
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    entries = [*made, Entry("other", "broken", file=broken)]
    measured = measure(model, entries, prepared, policy=Policy(max_drop_points=5.0), budget_s=3.0)
    lines = render(measured, model.stat().st_size).splitlines()[2:]
    assert len(lines) == 4
    assert all("onnxruntime" in line and line.endswith("keeps |") for line in lines[:2])
    assert "KeyError: 'no such recipe'" in lines[2]
    assert "does not run" in lines[3]
    assert all(row.entry.size_bytes < 0.5 * model.stat().st_size for row in measured.rows[:2])
