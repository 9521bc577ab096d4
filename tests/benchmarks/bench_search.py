"""What the search finds against what a person makes by hand in onnxruntime; run by ``make bench``.

Each model is evaluated on its own data as the command line does it. Then the candidate of the
verdict and the recipes that people use by hand are timed against the baseline in one interleaved
run, and their drop is taken on the confirm split. The small models are committed; for the large
ones, folders are given that the scripts in ``tests/fixtures`` have filled:

    MF_BENCH_V2S=…     efficientnet_v2_s.onnx, mnist.zip   tests.fixtures.efficientnet_v2_s
    MF_BENCH_LITE=…    lite0.onnx, mnist.zip               tests.fixtures.train_depthwise
    MF_BENCH_MINILM=…  minilm.onnx, emails.npz             tests.fixtures.minilm
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from onnxruntime.quantization import (
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from core import sandbox
from core.accuracy import paired_accuracy, predict
from core.datasets import prepare, preset_for
from core.headless import evaluate_files, summary
from core.intake import profile_model
from core.measurement import fingerprint, measure_latency
from core.quantization.calibration import CalibrationSamples
from core.quantization.graph import Graph
from core.quantization.side_branches import find_side_branches
from core.records import Deployment, Evaluation, PreparedData, Request

FIXTURES = Path(__file__).parents[1] / "fixtures"
ONE = Deployment(threads=1)
CALIBRATION = 40
"""Samples for the recipes by hand: with more, some of onnxruntime's calibrators do not fit."""


@dataclass(frozen=True)
class Case:
    """A model with its data, and what the chosen candidate has to reach."""

    name: str
    model: Path
    data: Path
    least_speedup: float = 0.0
    most_size: float = 1.0
    beats_by_hand: bool = False
    """Whether it has to be faster than the best recipe by hand that keeps the accuracy."""
    preprocessing: str = "auto"


def _given(variable: str, model: str, data: str = "mnist.zip") -> tuple[Path, Path]:
    folder = Path(os.environ.get(variable, f"{variable}-is-not-set"))
    return folder / model, folder / data


IMAGENET = "imagenet_torchvision"
CASES = (
    Case(
        "EfficientNetV2-S",
        *_given("MF_BENCH_V2S", "efficientnet_v2_s.onnx"),
        least_speedup=2.1,
        most_size=0.35,
        preprocessing=IMAGENET,
    ),
    Case(
        "EfficientNet-Lite0",
        *_given("MF_BENCH_LITE", "lite0.onnx"),
        least_speedup=1.95,
        preprocessing=IMAGENET,
    ),
    Case(
        "transformer",
        FIXTURES / "transformer_texts.onnx",
        FIXTURES / "texts.npz",
        beats_by_hand=True,
    ),
    Case(
        "MiniLM-L6",
        *_given("MF_BENCH_MINILM", "minilm.onnx", "emails.npz"),
        least_speedup=2.5,
        beats_by_hand=True,
    ),
    Case(
        "LSTM",
        FIXTURES / "lstm_smartwatch.onnx",
        FIXTURES / "smartwatch.npz",
        most_size=0.6,
    ),
)


class Bench:
    """One case evaluated, with its recipes by hand beside it."""

    def __init__(self, case: Case, folder: Path) -> None:
        started = time.monotonic()
        self.evaluation: Evaluation = evaluate_files(
            case.model,
            case.data,
            folder / "out",
            request=Request(deployment=ONE),
            preprocessing=case.preprocessing,
        )
        self.seconds = time.monotonic() - started
        profile = sandbox.call(profile_model, case.model)
        preset = None
        if case.data.suffix == ".zip":
            preset = preset_for(case.preprocessing, profile.inputs[0])
        self.prepared = sandbox.call(
            prepare, case.data, profile, preset, folder / "prepared", self.evaluation.seed
        )
        self.files = {"baseline": case.model} | by_hand(case.model, self.prepared, folder)
        chosen = self.evaluation.verdict.candidate
        if chosen is not None:
            self.files["chosen"] = folder / "out" / "models" / f"{chosen}.onnx"

    def measure(self) -> dict[str, tuple[float, float, float]]:
        """Speed-up, size and drop in points against the baseline, by name."""
        latency = measure_latency(
            self.files,
            self.prepared,
            ONE,
            effort="standard",
            seed=1,
            budget_s=1800.0,
            report=lambda _fraction, _words: None,
        )
        labels: list[int] = sandbox.load_labels(self.prepared, "confirm").tolist()
        before = sandbox.call(predict, self.files["baseline"], self.prepared, "confirm", ONE)
        found = {}
        print(f"\n{'':24}{'speed-up':>18}{'size':>8}{'drop, points':>22}")
        for name, path in self.files.items():
            after = sandbox.call(predict, path, self.prepared, "confirm", ONE)
            drop = paired_accuracy(
                labels,
                before.classes,
                after.classes,
                split="confirm",
                threshold_points=1.0,
                confidence=0.95,
            ).drop_points
            speed = latency.latencies[name].speedup
            size = path.stat().st_size / self.files["baseline"].stat().st_size
            found[name] = (speed.ratio, size, drop.value)
            print(
                f"{name:24}{f'{speed.ratio:.2f} ({speed.low:.2f}-{speed.high:.2f})':>18}"
                f"{size:8.3f}{f'{drop.value:.2f} ({drop.low:.2f} to {drop.high:.2f})':>22}"
            )
        return found


def by_hand(model: Path, prepared: PreparedData, folder: Path) -> dict[str, Path]:
    """What onnxruntime's own functions make, called as its documentation shows."""
    ready = folder / "ready.onnx"
    try:
        quant_pre_process(model, ready)
    except Exception:  # plain, where its symbolic shape inference does not know a shape
        quant_pre_process(model, ready, skip_symbolic_shape=True)
    loaded = onnx.load(ready)
    recipes: dict[str, Callable[[Path], None]] = {
        "dynamic": lambda path: quantize_dynamic(ready, path),
        "dynamic per channel": lambda path: quantize_dynamic(ready, path, per_channel=True),
    }
    if any(node.op_type == "Conv" for node in loaded.graph.node):
        recipes["static U8/S8 per channel"] = lambda path: _static(ready, path, prepared, ())
        branches = find_side_branches(Graph(loaded))
        inner = tuple(name for branch in branches for name in (branch.pool, *branch.inner))
        if inner:
            recipes["the same without SE"] = lambda path: _static(ready, path, prepared, inner)
    made = {}
    for number, (name, make) in enumerate(recipes.items()):
        path = folder / f"by_hand_{number}.onnx"
        make(path)
        made[name] = path
    return made


def _static(ready: Path, path: Path, prepared: PreparedData, left: tuple[str, ...]) -> None:
    quantize_static(
        ready,
        path,
        CalibrationSamples(prepared, CALIBRATION, 1, 0, lambda _fraction, _words: None),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_exclude=list(left),
    )


@pytest.fixture(scope="module", autouse=True)
def machine() -> None:
    found = fingerprint(ONE)
    print(f"\n{found.cpu_model}, {found.cores} cores, {' '.join(found.flags)}")
    print(f"{found.os}, onnxruntime {found.libraries['onnxruntime']}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_chosen_candidate_is_the_best(case: Case, tmp_path: Path) -> None:
    if not case.model.exists():
        pytest.skip(f"{case.model.name} has to be made first: see the head of this file")
    bench = Bench(case, tmp_path)
    print(f"\n{case.name}: {bench.seconds:.0f} s\n{summary(bench.evaluation)}")
    found = bench.measure()
    assert "chosen" in found
    speedup, size, drop = found.pop("chosen")
    assert drop <= 1.0
    assert speedup >= case.least_speedup
    assert size <= case.most_size
    if case.beats_by_hand:
        rivals = [other for other, _, lost in found.values() if lost <= 1.0]
        assert speedup > max(rivals)
