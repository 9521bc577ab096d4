from dataclasses import replace

import pytest

from core.accuracy import plan_samples
from core.decision import explain
from core.records import (
    Candidate,
    Estimate,
    Policy,
    Ratio,
    Recipe,
    SamplePlan,
    Splits,
)
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
        "least_confirm_samples": 299,
        "flip_rate": 0.02,
        "likely_confirm_samples": 1370,
        "likely_samples": 2569,
        "very_likely_confirm_samples": 1860,
        "very_likely_samples": 3488,
    }
    return explain.sample_plan(SamplePlan(**{**numbers, **changes}))


def test_sample_plan_that_cannot_prove_it():
    assert plan() == (
        "64 of your 120 samples are kept for the last check; they cannot prove a drop below 4.57 "
        "points, and you allow 1.0 points. That takes at least 299, if no answer changes. If 2% "
        "of the answers change, as often for the better, a harmless candidate would pass in 8 of "
        "10 evaluations with about 2,569 samples (1,370 for the check), and in 9 of 10 with about "
        "3,488 (1,860 for the check)."
    )


def test_sample_plan_that_may_prove_it():
    assert plan(samples=800, confirm_samples=400, provable_points=0.75).startswith(
        "400 of your 800 samples are kept for the last check; they can prove a drop of at most "
        "1.0 points if hardly any answer changes. If 2% of the answers change,"
    )


def test_sample_plan_that_will():
    eight = plan(samples=2700, confirm_samples=1400, provable_points=0.21)
    assert eight == (
        "1,400 of your 2,700 samples are kept for the last check, enough to prove a drop of at "
        "most 1.0 points. If 2% of the answers change, as often for the better, a harmless "
        "candidate passes in 8 of 10 evaluations or more, and in 9 of 10 with about 3,488 samples "
        "(1,860 for the check)."
    )
    nine = plan(samples=4000, confirm_samples=2000, provable_points=0.15)
    assert nine.endswith("a harmless candidate passes in 9 of 10 evaluations or more.")


def test_sample_plan_from_what_was_seen():
    text = plan(flip_rate=0.025, flips_seen_on=120)
    assert (
        "On the first 120 samples 2.5% of the answers changed; if that goes on, as often for the "
        "better, a harmless candidate would pass"
    ) in text


def test_sample_plan_of_which_only_one_power_is_known():
    text = plan(very_likely_confirm_samples=None, very_likely_samples=None)
    assert text.endswith("with about 2,569 samples (1,370 for the check).")


def test_sample_plan_without_hope():
    text = plan(threshold_points=0.0, likely_confirm_samples=None, likely_samples=None)
    assert text.endswith(
        "no number of samples proves a drop of at most 0.0 points: allow a larger one."
    )


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("confirm", [1, 120, 700, 3000])
@pytest.mark.parametrize("seen", [0, 120])
def test_any_plan_is_said_in_whole_sentences(threshold, confirm, seen):
    splits = Splits(calibration=confirm, search=confirm, confirm=confirm)
    found = plan_samples(splits, Policy(max_drop_points=threshold))
    text = explain.sample_plan(replace(found, flips_seen_on=seen))
    assert text.endswith(".")
    assert not any(word in text for word in ("None", "..", "  ", " ,"))
    assert ("enough to prove" in text) == found.is_likely


def test_rates_and_multiples():
    assert explain.rate(812.4) == "812 samples a second"
    assert explain.rate(12_345.6) == "12,346 samples a second"
    assert explain.rate(3.217) == "3.22 samples a second"
    assert explain.fold(1.3) == "1.3 times"
    assert explain.percent_at_least(0.9875) == "98.7%"
    assert explain.percent_at_least(0.95) == "95%"
    assert explain.count(2, "class") == "2 classes"


def test_big_number():
    assert explain.big_number(5_450_000) == "5.45 million"
    assert explain.big_number(987) == "987"


STATIC = Recipe(id="s", method="int8_static")


@pytest.mark.parametrize(
    ("recipe", "title"),
    [
        (Recipe(id="baseline", method="none"), "FP32, as uploaded"),
        (Recipe(id="f", method="float16"), "FP16"),
        (Recipe(id="f", method="float16", per_channel=False), "FP16"),
        (STATIC, "INT8 static"),
        (
            replace(STATIC, calibration="percentile", left_in_float=tuple("abcdefghijkl")),
            "INT8 static, percentile, 12 nodes in FP32",
        ),
        (replace(STATIC, per_channel=False), "INT8 static, per tensor"),
        (
            replace(STATIC, calibration="mse", equalize=True, correct_bias=True),
            "INT8 static, MSE, equalized, bias corrected",
        ),
        (
            replace(STATIC, smooth=0.5, left_in_float=("a",)),
            "INT8 static, smoothed, 1 node in FP32",
        ),
        (Recipe(id="d", method="int8_dynamic", fuse=True), "INT8 dynamic, fused"),
        (Recipe(id="d", method="int8_dynamic", calibration="entropy"), "INT8 dynamic"),
        (Recipe(id="w", method="int8_weight_only"), "INT8 weight-only"),
        (
            Recipe(id="w", method="int8_weight_only", block_size=128),
            "INT8 weight-only, blocks of 128",
        ),
    ],
)
def test_recipe_title(recipe, title):
    assert explain.recipe_title(recipe) == title


def test_candidates_with_the_same_title_are_told_apart():
    twins = [replace(STATIC, id=id, left_in_float=(id,)) for id in ("first", "second")]
    rows = [
        Candidate(id=recipe.id, recipe=recipe, status="measured") for recipe in (STATIC, *twins)
    ]
    assert explain.candidate_titles(rows) == {
        "s": "INT8 static",
        "first": "INT8 static, 1 node in FP32 (first)",
        "second": "INT8 static, 1 node in FP32 (second)",
    }


def test_standing_and_trade_off():
    row = Candidate(
        id="a",
        recipe=replace(STATIC, id="a"),
        status="rejected",
        size_bytes=243_873,
        latency=build.latency(low=2.7, high=2.9, ratio=2.8),
        search_accuracy=build.accuracy(low=-0.9, value=0.1, high=0.9, split="search"),
    )
    assert explain.standing(row, "a", ("b",)) == ("chosen", "rejected")
    assert explain.standing(row, None, ("a",)) == ("front", "rejected")
    assert explain.trade_off(row) == "2.80x, drop -0.9 to 0.9 points, 244 kB"
