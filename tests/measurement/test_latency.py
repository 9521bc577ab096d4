"""One real measurement, looked at from all sides."""

import pandas as pd
import pytest

from core.measurement.latency import AGAIN, BASELINE, measure_latency
from core.records import BadInput, Deployment, to_plain


class Cancelled(Exception):  # noqa: N818
    pass


def test_three_times_the_work_is_slower(measured):
    comparison = measured.comparison
    assert comparison.speedup.low <= comparison.speedup.ratio <= comparison.speedup.high
    assert comparison.speedup.ratio < 0.7
    assert comparison.p50_ms.b > 1.3 * comparison.p50_ms.a
    assert comparison.runs == 300


def test_the_baseline_is_timed_against_itself(measured):
    aa = measured.comparison.aa
    assert aa.low <= aa.ratio <= aa.high
    assert 0.7 < aa.ratio < 1.4


def test_few_runs_have_no_p99_and_no_data_means_made_up_samples(measured):
    assert measured.comparison.p99_ms is None
    assert {"no_p99", "synthetic"} <= {finding.code for finding in measured.comparison.findings}


def test_all_samples_are_kept(measured):
    table = pd.read_parquet(measured.samples_file)
    assert set(table.columns) == {"model", "group", "round", "run", "ms"}
    # The candidate is much slower, so it has fewer.
    assert dict(table["model"].value_counts()) == {BASELINE: 300, AGAIN: 300, "candidate": 240}
    # Every round of every process has every model.
    turns = table.groupby(["group", "round"], observed=True)["model"].nunique()
    assert len(turns) >= 20
    assert (turns == 3).all()
    assert table["group"].nunique() >= 4
    of_baseline = table[table["model"] == BASELINE]["ms"]
    assert of_baseline.median() == pytest.approx(measured.comparison.p50_ms.a)
    assert (table["ms"] > 0).all()


def test_progress_is_in_rounds_and_only_grows(measured):
    fractions = [fraction for fraction, _ in measured.said]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= 0.01
    assert 0.75 < fractions[-1] <= 1
    words = {words for _, words in measured.said}
    assert any(word.startswith("round ") and word.endswith(" of 60") for word in words)
    assert "" not in words


def test_noise_is_recorded(measured):
    noise = measured.comparison.noise
    assert noise.steal_share is not None
    assert noise.involuntary_switches_per_s is not None
    assert noise.load_average is not None
    assert noise.drift is not None


def test_a_comparison_as_json(measured):
    plain = to_plain(measured.comparison)
    assert {"ratio", "low", "high"} == set(plain["speedup"])
    assert {"a", "b"} == set(plain["p50_ms"])
    assert {"ratio", "low", "high", "passed"} == set(plain["aa"])


def test_cancel_stops_the_measurement(models, prepared):
    def report(fraction, words):
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_latency(
            {BASELINE: models["fast"]},
            prepared,
            Deployment(),
            effort="quick",
            seed=0,
            budget_s=60,
            report=report,
        )


def test_a_model_that_the_data_does_not_fit(models, write_convolutions, prepared, tmp_path):
    other = write_convolutions(tmp_path / "other.onnx", 1, input_name="tokens")
    with pytest.raises(BadInput, match="tokens"):
        measure_latency(
            {BASELINE: models["fast"], "int8": other},
            prepared,
            Deployment(),
            effort="quick",
            seed=0,
            budget_s=60,
            report=lambda fraction, words: None,
        )
