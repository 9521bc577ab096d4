"""Interleaved latency of two files, for people and scripts that ask for nothing more."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.measurement.latency import BASELINE, measure_latency
from core.measurement.synthetic import make_samples
from core.records import AACheck, Deployment, Effort, Finding, Noise, PreparedData, Ratio, Report
from core.sandbox import call

_OTHER = "candidate"


def _nobody(fraction: float, words: str) -> None:
    """Tells nobody how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoTimes:
    """Milliseconds of either file."""

    a: float
    b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two files compare; as JSON, what ``compare`` prints."""

    speedup: Ratio
    """The first file's p50 over the second's: above 1, the second is faster."""
    p50_ms: TwoTimes
    p99_ms: TwoTimes | None
    """None where too few runs fit the time."""
    aa: AACheck
    """The first file against itself in the same rounds."""
    runs: int
    """Of each file; fewer of the second if it is much slower."""
    noise: Noise
    findings: tuple[Finding, ...]


def compare(
    a: Path,
    b: Path,
    deployment: Deployment,
    *,
    prepared: PreparedData | None = None,
    effort: Effort = "standard",
    seed: int = 0,
    budget_s: float = 600.0,
    samples_file: Path | None = None,
    report: Report = _nobody,
) -> Comparison:
    """Measures two models against one another, as an evaluation does.

    Args:
        a: The first file, the baseline.
        b: The second.
        deployment: Threads and batch size.
        prepared: Samples of their own; ``None``: made up to fit the first file's inputs.
        effort: How many runs.
        seed: Decides orders, resamples and made-up samples.
        budget_s: Seconds that all of it may take.
        samples_file: Where all samples are kept; ``None``: nowhere.
        report: Told the progress; if it raises, the measurement stops.

    Raises:
        BadInput: A model does not run, or not on these samples.
        SandboxFailure: A process crashed or needed too much.
    """
    with tempfile.TemporaryDirectory(prefix="measure-first-compare-") as folder:
        if prepared is None:
            prepared = call(make_samples, a, deployment, Path(folder) / "samples", seed)
        result = measure_latency(
            {BASELINE: a, _OTHER: b},
            prepared,
            deployment,
            effort=effort,
            seed=seed,
            budget_s=budget_s,
            report=report,
            samples_file=samples_file,
        )
    first, second = result.latencies[BASELINE], result.latencies[_OTHER]
    tails = None
    if first.p99_ms is not None and second.p99_ms is not None:
        tails = TwoTimes(a=first.p99_ms.value, b=second.p99_ms.value)
    return Comparison(
        speedup=second.speedup,
        p50_ms=TwoTimes(a=first.p50_ms.value, b=second.p50_ms.value),
        p99_ms=tails,
        aa=result.aa_check,
        runs=first.runs,
        noise=result.noise,
        findings=(*(prepared.profile.findings), *result.findings),
    )
