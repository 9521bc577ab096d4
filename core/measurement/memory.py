"""Memory: what serving the model takes from a replica at its peak.

The peak resident set of a fresh process that loads the model and runs it a few times, minus
that of an equal process with an empty runtime: a session whose model computes nothing. Python,
onnxruntime's own code and the samples, which every model needs alike, are not in the figure; the
room that loading needs and gives back is. (Forked processes give the same figure as newly
started ones to 0.4 MB, on models of 0.06 to 9 MB.)
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.measurement.feeds import build_feeds
from core.measurement.fresh import run_fresh
from core.measurement.lock import machine_lock
from core.records import Deployment, PreparedData, Report
from core.sandbox import call, load_inputs, model_errors, open_session

PROCESSES = 3
"""Fresh processes a model; the median of them counts."""

_TIMES = range(PROCESSES)
_RUNS = 10
_median = statistics.median_low
_EMPTY_MODEL = """
<ir_version: 8, opset_import: ["": 13]>
empty () => (float[1] y) { y = Constant <value_floats = [0.0]> () }
"""


def measure_peak_rss(
    models: Mapping[str, Path], prepared: PreparedData, deployment: Deployment, *, report: Report
) -> dict[str, int]:
    """Measures the bytes by which each model raises a process's peak resident set.

    Waits for its turn on this machine first.

    Args:
        models: Files by name.
        prepared: The samples they are fed.
        deployment: Threads and batch size.
        report: Told the progress; if it raises, the measurement stops.

    Raises:
        BadInput: A model does not run on these samples.
        SandboxFailure: A process crashed or needed too much.
    """
    with machine_lock(report):
        return call(find_peaks, dict(models), prepared, deployment, report=report)


def find_peaks(
    models: dict[str, Path], prepared: PreparedData, deployment: Deployment, report: Report
) -> dict[str, int]:
    """Starts all the processes, in the sandbox, and returns each model's median above empty."""
    report(0.0, "memory of an empty runtime")
    empty = _write_empty_model()
    nothing = _median(run_fresh(peak_of_nothing, empty, prepared, deployment) for _ in _TIMES)
    peaks = {}
    for number, (name, path) in enumerate(models.items(), start=1):
        report(number / (len(models) + 1), f"memory of model {number} of {len(models)}")
        peak = _median(run_fresh(peak_of, path, prepared, deployment) for _ in _TIMES)
        peaks[name] = max(0, peak - nothing)
    return peaks


def peak_of(path: Path, prepared: PreparedData, deployment: Deployment) -> int:
    """Returns this process's peak in bytes after it ran a model."""
    session = open_session(path, deployment)
    feed = build_feeds(session, prepared, deployment, most=1)[0]
    with model_errors("The model cannot be run"):
        for _ in range(_RUNS):
            session.run(None, feed)
    return peak_rss_bytes()


def peak_of_nothing(path: Path, prepared: PreparedData, deployment: Deployment) -> int:
    """Returns this process's peak in bytes after it ran the empty model and read a batch."""
    session = open_session(path, deployment)
    # Kept beside the session, as the batch of a model is.
    batch = [np.array(values[: deployment.batch_size]) for values in load_inputs(prepared).values()]
    for _ in range(_RUNS):
        session.run(None, {})
    del batch
    return peak_rss_bytes()


def peak_rss_bytes() -> int:
    """Returns the largest resident set this process has had so far.

    Source: ``VmHWM`` of ``proc_pid_status(5)``, as Linux's ``ru_maxrss`` survives ``execve`` and
    so may be the parent's; elsewhere ``getrusage(2)``, or Windows' peak working set.
    """
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _write_empty_model() -> Path:
    """Writes a model that computes nothing into the sandbox's own folder."""
    import onnx
    from onnx import parser

    path = Path("empty.onnx").absolute()
    onnx.save(parser.parse_model(_EMPTY_MODEL), path)
    return path
