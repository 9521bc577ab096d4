import pytest

from core.decision import explain
from core.records import Estimate, Ratio
from tests.decision import build


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.05236, "0.0524 ms"),
        (4.1, "4.10 ms"),
        (69.31, "69.3 ms"),
        (1191.6, "1192 ms"),
        (0, "0 ms"),
    ],
)
def test_milliseconds(value, text):
    assert explain.milliseconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (812, "812 bytes"),
        (6_240, "6.2 kB"),
        (812_000, "812 kB"),
        (999_990, "1.0 MB"),
        (22_000_000, "22.0 MB"),
        (312_000_000, "312 MB"),
        (2_100_000_000, "2.1 GB"),
    ],
)
def test_size(value, text):
    assert explain.size(value) == text


def test_size_change():
    assert explain.size_change(26, 100) == "74% smaller"
    assert explain.size_change(103, 100) == "3% larger"
    assert explain.size_change(100.3, 100) == "the same size"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.64, 1.78, "1.6-1.8x faster"),
        (1.641, 1.652, "1.64-1.66x faster"),
        (0.141, 0.161, "6.2-7.1x slower"),
        (0.97, 1.03, "0.97-1.03x as fast"),
        (1.0, 1.0, "1.00x faster"),
    ],
)
def test_speed_is_rounded_outwards(low, high, text):
    assert explain.speed(Ratio(ratio=(low + high) / 2, low=low, high=high)) == text


def test_points_are_rounded_to_the_safe_side():
    assert explain.points(1.0) == "1.0 points"
    assert explain.points(-0.0001) == "0.0 points"
    assert explain.points_at_most(0.781) == "0.79 points"
    assert explain.points_at_least(0.789) == "0.78 points"
    assert explain.points_at_most(2.95) == "2.95 points"
    assert explain.points_range(Estimate(value=0.5, low=-0.311, high=1.411)) == (
        "-0.32 to 1.42 points"
    )


def test_percent_count_and_list():
    assert explain.percent(0.97) == "97%"
    assert explain.percent(0.995) == "99.5%"
    assert explain.count(1, "node") == "1 node"
    assert explain.count(1240, "sample") == "1,240 samples"
    assert explain.listed(()) == ""
    assert explain.listed(("a",)) == "a"
    assert explain.listed(("a", "b", "c")) == "a, b and c"
    assert explain.speed_short(Ratio(ratio=1.71, low=1.66, high=1.75)) == "1.71x (1.66-1.75)"


def test_a_target_is_held_against_p99_or_else_p50():
    assert explain.target_figure(build.latency(p99_ratio=1.0)) == ("p99", pytest.approx(13.65))
    assert explain.target_figure(build.latency(1, 1, None)) == ("p50", pytest.approx(10.1))


def plan(**changes):
    numbers = {
        "samples": 120,
        "confirm_samples": 64,
        "threshold_points": 1.0,
        "provable_points": 4.57,
        "likely_confirm_samples": 1370,
        "likely_samples": 2569,
        "flip_rate": 0.02,
    }
    return explain.sample_plan(**{**numbers, **changes})


def test_sample_plan_that_cannot_prove_it():
    assert plan() == (
        "64 of your 120 samples are kept for the last check; they cannot prove a drop below 4.57 "
        "points, and you allow 1.0 points: about 2,569 samples would (1,370 for the check) in 8 "
        "of 10 evaluations, if 2% of the answers change, as often for the better."
    )


def test_sample_plan_that_may_and_that_will():
    assert "if hardly any answer changes" in plan(confirm_samples=400, provable_points=0.75)
    assert "enough to prove" in plan(confirm_samples=1400, provable_points=0.21)


def test_sample_plan_without_hope():
    text = plan(threshold_points=0.0, likely_confirm_samples=None, likely_samples=None)
    assert text.endswith(
        "no number of samples proves a drop of at most 0.0 points: allow a larger one."
    )


def test_big_number():
    assert explain.big_number(5_450_000) == "5.45 million"
    assert explain.big_number(987) == "987"
