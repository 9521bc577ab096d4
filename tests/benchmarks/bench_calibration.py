"""Our calibration beside onnxruntime's own calibrators; run by ``make bench``.

The same model, samples and number of threads; each in a fresh process, whose peak memory is
shown. Seconds are given as a multiple of loading the FP32 model and running the same samples,
timed in the same process before and after; CPU time as well, which other work disturbs less. The
bundled example stands in, on which fixed costs weigh most, unless a folder is given that
``python -m tests.fixtures.efficientnet_v2_s`` has filled:

    MF_BENCH_V2S=…    efficientnet_v2_s.onnx, mnist.zip
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING
from core.records import PreparedData, Splits, from_json, to_json

ROOT = Path(__file__).parents[2]
FEW, SOME, MANY = 10, 100, 1_000
THREADS = 2
OURS = ("minmax", "percentile", "entropy", "mse")
THEIRS: dict[str, dict[str, Any]] = {
    "MinMax": {},
    "Percentile": {"symmetric": False, "percentile": 99.99, "num_bins": 2048},
    "Entropy": {},
}


def quiet(_fraction: float, _words: str) -> None:
    pass


def measure(who: str, method: str, count: int, folder: Path) -> dict[str, Any]:
    """Calibrates once; belongs into a process of its own."""
    from core.quantization.calibration import CalibrationSamples

    prepared = from_json(PreparedData, (folder / "prepared.json").read_bytes())
    model = folder / "prepared.onnx"

    def samples() -> CalibrationSamples:
        return CalibrationSamples(prepared, count, 1, 0, quiet)

    forward = [plain_forward(model, samples())]
    calibrate = ours if who == "ours" else theirs
    start = clock()
    with contextlib.redirect_stdout(io.StringIO()):
        ranges = calibrate(model, method, samples, folder)
    seconds, used = np.subtract(clock(), start).tolist()
    peak = peak_mb()
    forward.append(plain_forward(model, samples()))
    wall, cpu = np.mean(forward, axis=0)
    return {
        "seconds": seconds,
        "ratio": seconds / wall,
        "cpu_ratio": used / cpu,
        "peak_mb": peak,
        "ranges": ranges,
    }


def peak_mb() -> float:
    """Largest resident memory since the process replaced its parent's program."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def plain_forward(model: Path, samples: Any) -> tuple[float, float]:
    """Seconds, and seconds of CPU time, for a session and a run of each sample.

    Runs at most 100, and reckons the rest from them.
    """
    marks = [clock()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 4
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(model, options)
    marks.append(clock())
    for feeds in islice(samples, SOME):
        session.run(None, feeds)
    marks.append(clock())
    loading, running = np.diff(marks, axis=0)
    wall, cpu = loading + running * max(len(samples) / SOME, 1)
    return wall, cpu


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def ours(model: Path, method: Any, samples: Callable[[], Any], folder: Path) -> dict[str, Any]:
    from core.quantization.activations.observe import observe
    from core.quantization.activations.ranges import activation_range

    seen = observe(model, samples(), folder / f"seen-{os.getpid()}", histograms=method != "minmax")
    return {name: activation_range(activation, method) for name, activation in seen.items()}


def theirs(model: Path, method: str, samples: Callable[[], Any], folder: Path) -> dict[str, Any]:
    augmented = str(folder / f"augmented-{os.getpid()}.onnx")
    calibrator = create_calibrator(
        model, None, augmented, CalibrationMethod[method], extra_options=THEIRS[method]
    )
    calibrator.collect_data(samples())
    return {
        name: (np.asarray(data.lowest).item(), np.asarray(data.highest).item())
        for name, data in calibrator.compute_data().items()
    }


def in_child(who: str, method: str, count: int, folder: Path) -> dict[str, Any]:
    child = subprocess.run(
        [sys.executable, "-m", __spec__.name, who, method, str(count), folder],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2_000:]
    measured: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    print(
        f"{who:8}{method:12}{count:6} samples{measured['seconds']:9.2f} s"
        f"{measured['ratio']:8.2f} forward passes ({measured['cpu_ratio']:.2f} in CPU time)"
        f"{measured['peak_mb']:8.0f} MB",
        flush=True,
    )
    return measured


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared model, and all samples of its dataset as calibration samples."""
    from core.datasets import prepare, preset_for
    from core.intake import profile_model
    from core.quantization.preprocess import preprocess

    work = tmp_path_factory.mktemp("calibration")
    model, data, preset = MODEL_PATH, DATA_PATH, PREPROCESSING.preset
    if "MF_BENCH_V2S" in os.environ:
        given = Path(os.environ["MF_BENCH_V2S"])
        model, data = given / "efficientnet_v2_s.onnx", given / "mnist.zip"
        preset = "imagenet_torchvision"
    profile = profile_model(model)
    preprocessing = preset_for(preset, profile.inputs[0])
    prepared = prepare(data, profile, preprocessing, work / "data", 0)
    every = Splits(calibration=prepared.profile.splits.samples, search=0, confirm=0)
    prepared = replace(prepared, profile=replace(prepared.profile, splits=every))
    (work / "prepared.json").write_text(to_json(prepared))
    onnx.save(preprocess(model), work / "prepared.onnx")
    print(f"\n{model.name}, {THREADS} threads, onnxruntime {onnxruntime.__version__}")
    return work


def test_calibrators_side_by_side(folder: Path) -> None:
    """Ranges are equal within one bin of a histogram with 2048."""
    mine = {method: in_child("ours", method, FEW, folder) for method in OURS}
    yours = {method: in_child("theirs", method, FEW, folder) for method in THEIRS}
    for here, there in (("minmax", "MinMax"), ("percentile", "Percentile")):
        got, wanted = mine[here]["ranges"], yours[there]["ranges"]
        extremes = yours["MinMax"]["ranges"]
        worst = max(
            abs(a - b) / (max(map(abs, extremes[name])) / 1024 or 1)
            for name in got
            for a, b in zip(got[name], wanted[name], strict=True)
        )
        print(f"{len(got)} {here} ranges, largest difference: {worst:.4f} bins")
        assert worst <= 1.001


def test_memory_and_time_with_ten_times_the_samples(folder: Path) -> None:
    for method in ("minmax", "percentile"):
        some = in_child("ours", method, SOME, folder)
        many = in_child("ours", method, MANY, folder)
        print(f"{method}: peak memory of {MANY} is {many['peak_mb'] / some['peak_mb']:.3f} times")
        assert many["peak_mb"] <= 1.05 * some["peak_mb"]
    in_child("theirs", "MinMax", SOME, folder)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
