"""Compares our chosen candidate with what other tools make of the same model and samples.

    python -m tests.benchmarks.peers MODEL.onnx --data DATA

Prints a Markdown table. Every tool gets the same calibration samples, every file is measured by
our harness, all in the same interleaved run; a tool that does not install or fails says so.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np

from core import sandbox
from core.datasets import prepare
from core.intake import profile_model
from core.measurement import fingerprint
from core.quantization.calibration import CalibrationSamples
from core.records import Evaluation, Policy, PreparedData
from tests.benchmarks.peers import ours, table
from tests.benchmarks.peers.catalogue import PEERS
from tests.benchmarks.peers.measure import ONE, Measured, measure
from tests.benchmarks.peers.processes import Limits
from tests.benchmarks.peers.rivals import make_all


def main() -> None:
    """Runs the comparison that the command line asks for."""
    options = _parser().parse_args()
    # Ends the peer that runs, too, which has a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="measure-first-peers-") as folder:
        work = Path(folder)
        own = options.ours or work / "ours"
        model = options.model.resolve()
        evaluation = ours.evaluate(
            model, options.data, options.preprocessing, options.max_drop, own
        )
        prepared = _prepare(model, options.data, evaluation, work)
        calibration = work / "calibration.npz"
        samples = _write_samples(prepared, options.samples, evaluation.seed, calibration)
        peers = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
        limits = Limits(options.time_limit, options.memory_limit << 30)
        entries = make_all(peers, model, calibration, options.cache, work, limits)
        print("Measuring", file=sys.stderr)
        measured = measure(
            model,
            [ours.entry(evaluation, own), *entries],
            prepared,
            policy=Policy(max_drop_points=options.max_drop),
            budget_s=options.time_budget,
        )
        text = (
            _heading(model, evaluation, samples, measured)
            + table.render(measured, model.stat().st_size)
            + f"\n\n{table.conclude(measured)}"
        )
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers", description=__doc__.split("\n")[0]
    )
    parser.add_argument("model", type=Path, help="the FP32 model")
    parser.add_argument("--data", type=Path, required=True, help="its labelled samples")
    parser.add_argument("--preprocessing", default="auto", help="a preset's name")
    parser.add_argument(
        "--ours", type=Path, help="folder of our evaluation; it is made there if it is not"
    )
    parser.add_argument("--max-drop", type=float, default=1.0, help="points of accuracy")
    parser.add_argument(
        "--samples", type=int, default=40, help="calibration samples, at most (default 40)"
    )
    parser.add_argument(
        "--peers", nargs="+", choices=[peer.name for peer in PEERS], help="only these"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path(".venv-peers"), help="where their environments are kept"
    )
    parser.add_argument(
        "--time-limit", type=float, default=1800.0, help="seconds for one recipe of a peer"
    )
    parser.add_argument("--memory-limit", type=int, default=12, help="GiB for one recipe of a peer")
    parser.add_argument(
        "--time-budget", type=float, default=1800.0, help="seconds for the interleaved run"
    )
    parser.add_argument("--out", type=Path, help="file for the table")
    return parser


def _prepare(model: Path, data: Path, evaluation: Evaluation, work: Path) -> PreparedData:
    """The samples and the splits of the evaluation, once more."""
    return sandbox.call(
        prepare,
        data.resolve(),
        sandbox.call(profile_model, model),
        evaluation.dataset.preprocessing,
        work / "prepared",
        evaluation.seed,
    )


def _write_samples(prepared: PreparedData, most: int, seed: int, file: Path) -> int:
    """Writes the calibration samples as the peers read them; returns how many there are."""
    samples = CalibrationSamples(prepared, most, 1, seed, lambda _fraction, _words: None)
    feeds = list(iter(samples.get_next, None))
    np.savez(file, **{name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]})
    return len(feeds)


def _heading(model: Path, evaluation: Evaluation, samples: int, measured: Measured) -> str:
    machine = fingerprint(ONE)
    aa = measured.aa_check
    return (
        f"### {model.stem}: {model.stat().st_size / 1e6:.1f} MB, "
        f"p50 {measured.baseline.p50_ms.value:.2f} ms, "
        f"accuracy {measured.baseline_accuracy:.1%} of "
        f"{evaluation.dataset.splits.confirm} confirm samples\n\n"
        f"{machine.cpu_model}, onnxruntime {machine.libraries['onnxruntime']}, one thread; "
        f"{samples} calibration samples for every peer; the baseline against itself "
        f"{aa.ratio:.3f} [{aa.low:.3f}, {aa.high:.3f}]{'' if aa.passed else ', NOT passed'}.\n\n"
    )


main()
