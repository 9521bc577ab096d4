from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core import sandbox
from core.accuracy import Predictions
from core.bench import Baseline
from core.intake import profile_model
from core.measurement import LatencyResult
from core.records import AACheck, Finding, Noise
from core.steps import explain_baseline, part
from tests.fixtures import broken


def test_what_is_wrong_with_the_file_comes_before_what_its_answers_look_like(
    tmp_path: Path,
) -> None:
    profile = sandbox.call(profile_model, broken.nan_weights(tmp_path))
    seen = Finding(severity="error", code="not_finite", sentence="Its outputs are NaN.")
    answers = Predictions((0, 0), finite=False, outputs=10)
    aa_check = AACheck(ratio=1.0, low=0.99, high=1.01, passed=True)
    latency = LatencyResult(latencies={}, aa_check=aa_check, noise=Noise(), findings=())
    baseline = Baseline(answers, answers, (seen,), latency)

    assert [finding.code for finding in explain_baseline(profile, baseline)] == [
        *("nan_weights", "not_finite"),
    ]
    # NaN in a weight that no answer depends on stops nothing.
    assert explain_baseline(profile, replace(baseline, findings=())) == ()


def test_a_part_of_the_work_is_a_part_of_the_progress() -> None:
    said: list[tuple[float, str]] = []
    report = part(lambda fraction, words: said.append((fraction, words)), 0.5, 0.25)
    for fraction in (0.0, 0.5, 1.0):
        report(fraction, "halfway there")
    assert said == [(0.5, "halfway there"), (0.625, "halfway there"), (0.75, "halfway there")]
