"""A test for each row of the decision table, the choice, and the sentences."""

from dataclasses import replace

import pytest

from core.decision import choose, decide
from core.protocol import MAX_CALIBRATION
from core.records import (
    AACheck,
    ClassAccuracy,
    Deployment,
    Estimate,
    Finding,
    Guidance,
    Machine,
    Metric,
    Policy,
)
from tests.decision import build
from tests.decision.build import FAIL, OPEN, UNLIKELY, candidate, facts, failed, fp16, latency

NO_GAIN = latency(1.02, 1.05, 1.03)
SLOW = latency(0.13, 0.16, 0.15)
NO_METHOD = Guidance(method="none", reasons=("The model is quantized to INT8 already.",))
IMPLAUSIBLE = Finding(severity="error", code="chance_level", sentence="It guesses.")
SIZE_TOO = latency(1.0, 1.04, 1.0)
UNCERTAIN = latency(1.05, 1.3, 1.2)
SPEED_ONLY = Policy(gains=("speed",))
ONE_THREAD = Deployment(threads=1, batch_size=1)
UNSWEPT = facts(candidate())


def unmeasured(row):
    return replace(row, latency=None)


ROWS = [
    ("1", facts(guidance=NO_METHOD), "not_worth_it", None),
    ("2", facts(candidate(), baseline_findings=[IMPLAUSIBLE]), "not_enough_evidence", None),
    ("2", facts(candidate(), dataset=build.dataset([IMPLAUSIBLE])), "not_enough_evidence", None),
    (
        "3",
        facts(candidates=(build.baseline(latency=None), candidate())),
        "not_enough_evidence",
        None,
    ),
    (
        "3",
        facts(candidates=(build.baseline(accuracy=None), candidate())),
        "not_enough_evidence",
        None,
    ),
    ("4", facts(candidate(), aa_check=None), "not_enough_evidence", None),
    ("4", facts(candidate(), aa_check=build.BUSY), "not_enough_evidence", None),
    ("5a", facts(candidate()), "ship", "int8_static"),
    ("5a", facts(candidate(), fp16(), failed()), "ship", "int8_static"),
    ("5a", facts(candidate(speed=latency(1.5, 1.7, 1.0))), "ship", "int8_static"),
    (
        "5a",
        facts(candidate("slower"), candidate("faster", speed=latency(1.7, 2.0))),
        "ship",
        "faster",
    ),
    ("5b", facts(candidate(left_in_float=("conv_0",))), "quantize_selectively", "int8_static"),
    ("6", facts(candidate(speed=NO_GAIN)), "ship_for_size", "int8_static"),
    (
        "6",
        facts(candidate(speed=SIZE_TOO), candidate("tiny", speed=SIZE_TOO, size_bytes=20_000_000)),
        "ship_for_size",
        "tiny",
    ),
    ("6", facts(candidate(), policy=Policy(gains=("size",))), "ship_for_size", "int8_static"),
    ("6", facts(candidate(), policy=Policy(latency_target_ms=50)), "ship_for_size", "int8_static"),
    ("8a", facts(candidate(drop=OPEN)), "not_enough_evidence", None),
    ("8a", facts(candidate(drop=UNLIKELY)), "not_enough_evidence", None),
    ("8a", facts(candidate(drop=OPEN), fp16()), "not_enough_evidence", None),
    ("8a", facts(candidate(split="search")), "not_enough_evidence", None),
    ("8a", facts(candidate(drop=OPEN, split="search")), "not_enough_evidence", None),
    ("8b", facts(unmeasured(candidate())), "not_enough_evidence", None),
    ("8a", facts(replace(candidate(), accuracy=None)), "not_enough_evidence", None),
    ("7", facts(candidate(draws=(0.2, 0.7, 1.6))), "not_enough_evidence", None),
    ("7", facts(candidate(draws=(1.1, 1.2, 1.3))), "not_enough_evidence", None),
    ("7", facts(candidate(speed=NO_GAIN, draws=(1.1,)), fp16()), "not_enough_evidence", None),
    ("5a", facts(candidate(draws=(0.2, 0.7, 1.0))), "ship", "int8_static"),
    ("5a", facts(candidate(draws=(1.1,)), candidate("other")), "ship", "other"),
    ("12", facts(candidate(speed=SLOW, draws=(1.1,))), "not_worth_it", None),
    ("5a", facts(candidate(split="search+confirm")), "ship", "int8_static"),
    ("8a", facts(candidate(drop=OPEN, split="search+confirm")), "not_enough_evidence", None),
    ("8a", facts(candidate(split="search+confirm"), chosen="x"), "not_enough_evidence", None),
    ("9", facts(fp16(split="search+confirm"), chosen="x"), "try_fp16", "float16"),
    ("8c", facts(candidate(speed=UNCERTAIN), policy=SPEED_ONLY), "not_enough_evidence", None),
    ("8c", facts(candidate(speed=UNCERTAIN, size_bytes=70_000_000)), "not_enough_evidence", None),
    (
        "8c",
        facts(candidate(speed=UNCERTAIN, split="search"), policy=SPEED_ONLY),
        "not_enough_evidence",
        None,
    ),
    (
        "8c",
        facts(candidate(speed=UNCERTAIN, draws=(1.1,)), policy=SPEED_ONLY),
        "not_enough_evidence",
        None,
    ),
    ("8c", facts(candidate(speed=latency(0.93, 1.0, 1.0))), "not_enough_evidence", None),
    ("12", facts(candidate(speed=latency(0.93, 0.97, 1.0))), "not_worth_it", None),
    ("6", facts(candidate(speed=UNCERTAIN)), "ship_for_size", "int8_static"),
    ("10", facts(fp16(speed=UNCERTAIN), policy=SPEED_ONLY), "not_enough_evidence", None),
    ("9", facts(candidate(drop=FAIL), fp16()), "try_fp16", "float16"),
    ("9", facts(candidate(speed=SLOW), fp16()), "try_fp16", "float16"),
    ("9", facts(candidate(speed=SLOW), fp16(speed=latency(0.93, 0.97))), "try_fp16", "float16"),
    ("9", facts(candidate(drop=UNLIKELY, split="search"), fp16()), "try_fp16", "float16"),
    ("9", facts(fp16(split="confirm"), failed()), "try_fp16", "float16"),
    ("10", facts(candidate(drop=FAIL), fp16(drop=OPEN)), "not_enough_evidence", None),
    ("10", facts(candidate(drop=FAIL), unmeasured(fp16())), "not_enough_evidence", None),
    ("11", facts(failed()), "not_enough_evidence", None),
    ("12", facts(candidate(drop=FAIL)), "not_worth_it", None),
    ("12", facts(candidate(speed=SLOW)), "not_worth_it", None),
    ("12", facts(candidate(drop=FAIL), fp16(speed=latency(0.7, 0.8, 0.75))), "not_worth_it", None),
    ("12", facts(candidate(drop=UNLIKELY, split="search")), "not_worth_it", None),
    ("12", facts(candidate(drop=FAIL, split="search"), failed()), "not_worth_it", None),
    ("12", facts(candidate(), policy=Policy(gains=())), "not_worth_it", None),
    (
        "12",
        facts(candidate(), policy=Policy(gains=("speed",), latency_target_ms=50)),
        "not_worth_it",
        None,
    ),
    (
        "12",
        facts(candidate(speed=NO_GAIN), policy=Policy(gains=("speed",))),
        "not_worth_it",
        None,
    ),
    (
        "12",
        facts(candidate(speed=latency(1.0, 1.19, 1.2)), policy=Policy(gains=("speed",))),
        "not_worth_it",
        None,
    ),
    # Whatever its interval, a p99 that is worse leaves no speed-up to show.
    (
        "12",
        facts(candidate(speed=latency(1.05, 1.3, 0.9)), policy=Policy(gains=("speed",))),
        "not_worth_it",
        None,
    ),
    (
        "12",
        facts(candidate(drop=FAIL, speed=UNCERTAIN), policy=Policy(gains=("speed",))),
        "not_worth_it",
        None,
    ),
    ("12", facts(candidate(speed=NO_GAIN, size_bytes=70_000_000)), "not_worth_it", None),
]


@pytest.mark.parametrize(("row", "given", "outcome", "name"), ROWS)
def test_row_of_the_table(row, given, outcome, name):
    verdict = decide(**given)
    assert (verdict.outcome, verdict.candidate) == (outcome, name), row
    assert verdict.sentence.endswith(".")
    assert verdict.reasons


def test_every_row_is_tested():
    lettered = {"5a", "5b", "8a", "8b", "8c"}
    assert {row for row, *_ in ROWS} == {"1", "2", "3", "4", "6", "7", "9", "10", "11", "12"} | (
        lettered
    )


def test_ship_says_what_was_measured():
    verdict = decide(**facts(candidate()))
    assert verdict.sentence == (
        "Ship int8_static: 1.6-1.8x faster (p50 5.88 ms instead of 10.0 ms), 74% smaller, "
        "accuracy drop at most 0.7 points (95% confidence, 600 confirm samples)."
    )
    assert verdict.would_change == (
        "A largest accuracy drop below 0.7 points.",
        "A smallest useful speed-up of more than 1.60x.",
    )


def test_selective_counts_the_nodes():
    verdict = decide(**facts(candidate(left_in_float=("a", "b"))))
    assert verdict.sentence.startswith(
        "Quantize selectively with int8_static, 2 nodes left in FP32: 1.6-1.8x faster"
    )


def test_a_target_already_met_makes_speed_an_optimisation():
    verdict = decide(**facts(candidate(), policy=Policy(latency_target_ms=50)))
    assert any("an optimisation, not a fix" in reason for reason in verdict.reasons)


def test_a_target_that_is_still_missed_is_said():
    verdict = decide(**facts(candidate(), policy=Policy(latency_target_ms=5)))
    assert verdict.outcome == "ship"
    assert any("misses the latency target of 5.00 ms" in reason for reason in verdict.reasons)


def test_a_worse_p99_is_no_speed_gain_and_no_size_gain():
    verdict = decide(**facts(candidate(speed=latency(1.5, 1.7, 0.9))))
    assert verdict.outcome == "not_worth_it"
    assert "its p99 is 1.11x the baseline's, you allow 1.05x" in verdict.sentence


def test_an_unknown_p99_is_said():
    verdict = decide(**facts(candidate(speed=latency(p99_ratio=None))))
    assert verdict.outcome == "ship"
    assert any("p99 is not known" in reason for reason in verdict.reasons)
    assert any("standard effort" in step for step in verdict.next_steps)


def test_undecided_says_how_many_samples_to_add():
    verdict = decide(**facts(candidate(drop=OPEN), fp16(), samples_needed={"int8_static": 1500}))
    assert verdict.sentence == (
        "Add samples before you decide on int8_static: 1.6-1.8x faster (p50 5.88 ms instead of "
        "10.0 ms), 74% smaller, but its accuracy drop is only known to be within -0.1 to 1.4 "
        "points (95% confidence, 600 confirm samples), and you allow 1.0 points."
    )
    assert "about 2,750 samples instead of 1,100 (1,500 of them" in verdict.next_steps[0]
    assert verdict.next_steps[1].startswith("Meanwhile float16 passes")
    assert any("drop were 1.4 points" in change for change in verdict.would_change)


def test_undecided_with_too_large_a_drop_promises_nothing():
    verdict = decide(**facts(candidate(drop=UNLIKELY)))
    assert "would rather show that this is too much" in verdict.next_steps[0]


def test_not_worth_it_says_at_which_gain_it_would_be():
    given = facts(candidate(speed=latency(1.06, 1.09, 1.05)), policy=Policy(gains=("speed",)))
    verdict = decide(**given)
    assert verdict.sentence == (
        "Keep the baseline: the best candidate, int8_static, is 1.06-1.09x faster, you ask for "
        "more than 1.10x."
    )
    assert (
        "int8_static would be fast enough if the smallest useful speed-up were 1.05x (now 1.10x)."
        in verdict.would_change
    )
    given["policy"] = Policy(gains=("speed",), min_speedup=1.05)
    assert decide(**given).outcome == "ship"


def test_not_worth_it_says_at_which_size_it_would_be():
    verdict = decide(**facts(candidate(speed=NO_GAIN, size_bytes=70_000_000)))
    assert "12% smaller, you ask for 25%" in verdict.sentence
    assert any("size reduction were 12% (now 25%)" in change for change in verdict.would_change)


def test_not_worth_it_says_at_which_drop_it_would_pass():
    verdict = decide(**facts(candidate(drop=FAIL)))
    assert "loses at least 2.0 points of accuracy" in verdict.sentence
    assert any("drop were 4.1 points (now 1.0 points)" in c for c in verdict.would_change)


def test_a_cpu_without_vnni_is_a_next_step():
    machine = Machine(
        cpu_model="Some CPU",
        architecture="x86_64",
        flags=("avx2",),
        cores=2,
        cpu_quota=None,
        governor=None,
        ram_bytes=1,
        os="Linux",
        libraries={},
        session_options={},
    )
    given = facts(candidate(speed=SLOW), machine=machine)
    assert any("no VNNI" in step for step in decide(**given).next_steps)
    given["machine"] = replace(machine, flags=("avx2", "avx512_vnni"))
    assert not any("VNNI" in step for step in decide(**given).next_steps)


def test_every_other_candidate_has_its_line():
    rows = (candidate(), fp16(), candidate("other", drop=FAIL, split="search"), failed())
    reasons = decide(**facts(*rows)).reasons
    for name in ("float16:", "other: loses at least", "int8_dynamic: not made."):
        assert any(reason.startswith(name) for reason in reasons)


def test_the_baseline_must_be_there():
    with pytest.raises(ValueError, match="baseline"):
        decide(**facts(candidates=(candidate(),)))


def searched(name, drop=None, **changes):
    return candidate(name, drop=drop, split="search", **changes)


def selective(**changes):
    return searched("selective", left_in_float=("first",), **changes)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([searched("a"), searched("b", speed=latency(1.7, 1.75))], "b"),
        ([searched("size", speed=SIZE_TOO), searched("speed", speed=latency(1.2, 1.3))], "speed"),
        ([searched("size", speed=SIZE_TOO), fp16()], "size"),
        ([searched("int8", speed=latency(1.2, 1.3)), fp16(speed=latency(2, 2.1))], "int8"),
        ([searched("open", OPEN, speed=latency(2, 2.1)), searched("passed")], "open"),
        ([searched("unlikely", UNLIKELY, speed=latency(2, 2.1)), searched("passed")], "passed"),
        ([searched("unlikely", UNLIKELY), fp16()], "float16"),
        ([searched("unlikely", UNLIKELY)], "unlikely"),
        ([searched("no", FAIL), fp16()], "float16"),
        ([searched("no", FAIL), searched("slow", speed=SLOW), failed()], None),
        # Nodes are left in FP32 for a reason: speed, or accuracy.
        ([searched("all"), selective(speed=latency(1.61, 1.81))], "all"),
        ([searched("all"), selective(speed=latency(1.62, 1.82))], "all"),  # hardly faster
        ([searched("all"), selective(speed=latency(1.65, 1.85))], "selective"),
        ([searched("all", OPEN), selective(speed=latency(1.61, 1.81))], "selective"),
        ([unmeasured(searched("unknown"))], None),
        ([], None),
    ],
)
def test_choice_after_the_search(rows, name):
    assert choose((build.baseline(), *rows), Policy()) == name
    assert choose((*reversed(rows), build.baseline()), Policy()) == name


def refined(name, speed=None, **settings):
    row = searched(name, speed=speed or latency(1.61, 1.81))
    return replace(row, recipe=replace(row.recipe, **settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"calibration": "percentile"},
        {"per_channel": False},
        {"equalize": True},
        {"smooth": 0.5},
        {"correct_bias": True},
        {"im2col": ("conv",)},
    ],
)
def test_of_equals_the_plainest_recipe_is_chosen(settings):
    rows = [refined("refined", **settings), searched("plain")]
    assert choose((build.baseline(), *rows), Policy()) == "plain"
    # 2% faster is a reason, whatever the intervals.
    rows[0] = refined("refined", speed=latency(1.65, 1.85), **settings)
    assert choose((build.baseline(), *rows), Policy()) == "refined"


def test_what_will_probably_pass_comes_before_what_is_faster():
    rows = [searched("faster", speed=latency(2, 2.1)), searched("safer")]
    assert choose((build.baseline(), *rows), Policy()) == "faster"
    assert choose((build.baseline(), *rows), Policy(), {"safer"}) == "safer"


def test_fp16_says_what_int8_lacked() -> None:
    faster = decide(**facts(candidate(drop=UNLIKELY, split="search"), fp16()))
    slower = decide(**facts(candidate(speed=SLOW), fp16()))
    assert "as no INT8 candidate that gains is proven to keep the accuracy" in faster.sentence
    assert "as INT8 does not pay here" in slower.sentence


def test_unsteady_calibration_is_said_with_its_figures():
    given = facts(candidate(draws=(0.2, 0.7, 1.6)))
    few = replace(given["dataset"], splits=replace(build.SPLITS, calibration=120))
    verdict = decide(**{**given, "dataset": few})
    assert verdict.sentence == (
        "Add calibration samples before you ship int8_static: calibrated with other halves of "
        "the calibration samples it drops 0.2 to 1.6 points, and you allow 1.0 points."
    )
    assert any("1 of 3 times more than the 1.0 points" in reason for reason in verdict.reasons)
    assert "more than 120 are there to calibrate with" in verdict.next_steps[0]
    assert any("drop were 1.6 points (now 1.0 points)" in line for line in verdict.would_change)


def test_samples_that_would_not_be_calibrated_with_are_not_asked_for():
    assert build.SPLITS.calibration == MAX_CALIBRATION
    verdict = decide(**facts(candidate(draws=(0.2, 0.7, 1.6))))
    assert verdict.sentence.startswith("Look for a steadier recipe before you ship int8_static:")
    assert "More samples do not help, as 200 calibrate already" in verdict.next_steps[0]


def test_steady_calibration_is_a_reason():
    reasons = decide(**facts(candidate(draws=(0.2, 0.2)))).reasons
    assert any("drops 0.2 points on the same samples, 0 of 2 times" in line for line in reasons)
    largest = decide(**facts(candidate(draws=(0.2, 0.95)))).would_change[0]
    assert largest == "A largest accuracy drop below 0.95 points."


def shared(name, level, **changes):
    row = candidate(name, split="search+confirm", **changes)
    return replace(row, accuracy=replace(row.accuracy, confidence=level))


def test_shared_samples_say_their_confidence():
    rows = (shared("a", 1 - 0.05 / 3), shared("b", 0.975), shared("c", 0.95))
    verdict = decide(**facts(*rows))
    assert verdict.sentence.endswith(
        "accuracy drop at most 0.7 points (98.3% confidence, as 3 candidates share the samples, "
        "900 search and confirm samples)."
    )
    assert any("c:" in line and "(95% confidence, 900 search" in line for line in verdict.reasons)


def test_only_the_chosen_of_those_that_share_samples_was_timed_anew():
    rows = (shared("a", 0.975, speed=latency(1.7, 2.0)), shared("b", 0.95))
    assert decide(**facts(*rows)).candidate == "a"
    assert decide(**facts(*rows, chosen="b")).candidate == "b"
    slow = (shared("a", 0.975), shared("b", 0.95, speed=SLOW))
    verdict = decide(**facts(*slow, chosen="b"))
    assert verdict.sentence.startswith("Time a once more before you ship it: 1.6-1.8x faster")
    assert "above 1.10x (now 1.60x)" in verdict.would_change[0]


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([shared("slower", 0.95), shared("faster", 0.95, speed=latency(2, 2.1))], "faster"),
        (
            [shared("proven", 0.95), shared("open", 0.975, drop=OPEN, speed=latency(2, 2.1))],
            "proven",
        ),
        ([shared("open", 0.95, drop=OPEN), shared("above", 0.975, drop=UNLIKELY)], "open"),
        # The same drop is proven at the one's level and open at the other's.
        (
            [
                shared("nodes", 0.95, left_in_float=("a",)),
                shared("all", 0.975, drop={**OPEN, "value": 0.2}),
            ],
            "nodes",
        ),
        ([shared("no", 0.95, drop=FAIL)], None),
        ([shared("unsteady", 0.95, draws=(1.1,)), shared("b", 0.95, speed=SIZE_TOO)], "unsteady"),
    ],
)
def test_choice_among_those_gated_together(rows, name):
    assert choose((build.baseline(), *rows), Policy()) == name


def of_class(label, *, lost, won, p_holm):
    value = 0.95 - (lost - won) / 120
    return ClassAccuracy(
        label=label,
        samples=120,
        value=value,
        right_to_wrong=lost,
        wrong_to_right=won,
        p_holm=p_holm,
    )


def with_accuracy(row, **changes):
    return replace(row, accuracy=replace(row.accuracy, **changes))


def test_classes_that_lose_more_than_chance_are_named_and_nothing_else():
    classes = (
        of_class(0, lost=18, won=0, p_holm=0.0001),
        of_class(1, lost=20, won=18, p_holm=0.6),
    )
    row = with_accuracy(candidate(), classes=classes)
    verdict = decide(**facts(row))
    assert verdict.outcome == "ship"
    found = [reason for reason in verdict.reasons if reason.startswith("Class ")]
    assert found == [
        "Class 'a' goes from 95% to 80% of 120 samples, more than chance explains after Holm's "
        "correction for 2 classes."
    ]
    assert verdict.next_steps[0] == "Look at the samples of class 'a' before you ship."
    better = with_accuracy(candidate(), classes=(of_class(0, lost=0, won=18, p_holm=0.01),))
    assert not any("Class " in reason for reason in decide(**facts(better)).reasons)


def test_at_most_the_three_worst_classes_are_named():
    classes = tuple(of_class(n, lost=10 + n, won=0, p_holm=0.01) for n in range(5))
    verdict = decide(**facts(with_accuracy(candidate(), classes=classes)))
    found = [reason.split()[1] for reason in verdict.reasons if reason.startswith("Class ")]
    assert found == ["'4'", "'3'", "'2'"]


@pytest.mark.parametrize(
    ("metric", "drop", "said"),
    [
        ("macro_f1", (0.2, 1.4, 2.6), "Macro-F1 drops 1.4 points (0.2 to 2.6 points)"),
        ("balanced_accuracy", (-0.9, 0.6, 2.1), "Balanced accuracy drops 0.6 points"),
        ("balanced_accuracy", (-0.7, 0.6, 1.9), None),
        ("balanced_accuracy", (-0.7, 0.1, 0.9), None),
        ("top5_accuracy", (0.2, 1.4, 2.6), None),
        ("macro_f1", None, None),
    ],
)
def test_other_metrics_are_cautions(metric, drop, said):
    estimate = drop and Estimate(low=drop[0], value=drop[1], high=drop[2])
    row = with_accuracy(
        candidate(), metrics=(Metric(metric=metric, value=0.8, drop_points=estimate),)
    )
    verdict = decide(**facts(row))
    assert verdict.outcome == "ship"
    found = [reason for reason in verdict.reasons if "which may be more than" in reason]
    assert [line.startswith(said or "") for line in found] == ([True] if said else [])


def test_errors_are_counted_in_the_baselines():
    reasons = decide(**facts(with_accuracy(candidate(), error_ratio=1.3))).reasons
    assert any("it makes 1.3 times the baseline's errors." in reason for reason in reasons)
    assert not any("baseline's errors" in reason for reason in decide(**facts(candidate())).reasons)


def sweep_reasons(*points, row=None, deployment=ONE_THREAD, **changes):
    given = facts(row or candidate(), sweep=points, deployment=deployment, **changes)
    return [line for line in decide(**given).reasons if line not in decide(**UNSWEPT).reasons]


def test_the_baseline_with_more_threads_may_be_the_simpler_fix():
    assert sweep_reasons(build.point(2, 1, 5.2, 3.0)) == [
        "The baseline with 2 threads takes 5.20 ms, less than int8_static with 1 thread (5.88 "
        "ms): where cores are idle, more threads may be the simpler fix."
    ]
    # Faster only within the intervals, or for other batches: nothing is said.
    assert sweep_reasons(build.point(2, 1, 5.85, 3.0)) == []
    assert sweep_reasons(build.point(2, 4, 5.2, 3.0)) == []


def test_fewer_threads_may_be_the_simpler_fix():
    four = Deployment(threads=4)
    (line,) = sweep_reasons(build.point(2, 1, 5.2, 3.0), deployment=four)
    assert line.endswith("with 4 threads (5.88 ms): fewer threads are the simpler fix.")


def test_where_the_gain_is_lost_is_said_in_one_line():
    points = (build.point(2, 1, 7.0, 7.1), build.point(1, 8, 90, 80), build.point(4, 1, 6, 3))
    assert sweep_reasons(*points) == [
        "int8_static does not gain everywhere (you ask for more than 1.10x): with 2 threads it "
        "is 0.95-1.02x as fast and with batches of 8 it is 1.09-1.16x faster."
    ]


def test_a_candidate_for_size_is_only_said_to_be_slower():
    row = candidate(speed=SIZE_TOO)
    points = (build.point(2, 1, 12.0, 12.1), build.point(1, 8, 90, 100))
    found = [line for line in sweep_reasons(*points, row=row) if "everywhere" in line]
    assert found == [
        "int8_static does not gain everywhere: with batches of 8 it is 1.07-1.15x slower."
    ]


def test_throughput_is_said_where_batches_matter():
    points = (build.point(1, 8, 70, 30), build.point(1, 4, 37, 20), build.point(2, 8, 40, 20))
    assert sweep_reasons(*points) == [
        "Throughput with batches of 8: 267 samples a second by int8_static and 114 samples a "
        "second by the baseline; with one sample at a time int8_static reaches 170 samples a "
        "second."
    ]
    assert sweep_reasons(build.point(1, 8, 80, 46)) == []


def test_without_a_deployment_a_sweep_says_nothing():
    assert sweep_reasons(build.point(2, 1, 5.2, 3.0), deployment=None) == []


def test_the_sweep_is_read_where_nothing_is_chosen():
    given = facts(candidate(drop=FAIL), sweep=(build.point(2, 1, 5.2, 3.0),), deployment=ONE_THREAD)
    assert any("more threads may be the simpler fix" in line for line in decide(**given).reasons)


def test_undecided_speed_says_how_many_runs_to_add():
    speed = latency(1.02, 1.28, 1.2)
    verdict = decide(**facts(candidate(speed=speed), policy=SPEED_ONLY))
    assert verdict.sentence == (
        "Measure more runs before you decide on int8_static: 1.0-1.3x faster (p50 8.70 ms "
        "instead of 10.0 ms), 74% smaller, which does not show yet that int8_static gains more "
        "than 1.10x."
    )
    # ((1.15 - 1.02) / (1.15 - 1.10))**2 is 6.76.
    assert verdict.would_change[0] == (
        "About 6,770 runs instead of 1,000 would show that int8_static gains more than 1.10x, if "
        "the ratio stays at 1.15x."
    )
    assert verdict.next_steps == (
        "Measure on a quieter machine: on this one it takes about 6,770 runs, and the thorough "
        "effort makes 5,000.",
    )


def test_a_size_that_may_count_says_how_many_runs_to_add():
    verdict = decide(**facts(candidate(speed=latency(0.93, 1.01, 1.0))))
    assert "fast enough for its size to count (above 0.95x)." in verdict.sentence
    assert "thorough effort" in verdict.next_steps[0]
    assert not any("too slow" in reason for reason in verdict.reasons)


def test_a_size_gain_says_what_would_make_it_a_speed_gain():
    verdict = decide(**facts(candidate(speed=UNCERTAIN)))
    assert verdict.outcome == "ship_for_size"
    assert any(line.startswith("About 2,780 runs instead") for line in verdict.would_change)


def test_a_wide_aa_interval_asks_for_runs_and_a_wrong_one_for_quiet():
    wide = AACheck(ratio=1.002, low=0.94, high=1.07, passed=False)
    verdict = decide(**facts(candidate(), aa_check=wide))
    assert "about 2,010 runs instead of 1,000" in verdict.would_change[0]
    assert "the thorough effort, which makes 5,000 runs" in verdict.next_steps[0]
    off = decide(**facts(candidate(), aa_check=build.BUSY))
    assert "more runs would not" in off.would_change[0]
    assert off.next_steps == (
        "Stop other work on this machine, or use another, and evaluate again.",
    )


MET = Policy(latency_target_ms=50)
MET_SPEED_ONLY = Policy(latency_target_ms=50, gains=("speed",))


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (facts(candidate(), policy=MET), "ship_for_size"),
        (facts(candidate(drop=FAIL), fp16(), policy=MET), "try_fp16"),
        (facts(candidate(), policy=MET_SPEED_ONLY), "not_worth_it"),
        (facts(candidate(drop=OPEN), policy=MET), "not_enough_evidence"),
        (facts(candidate(draws=(2.0,)), policy=MET), "not_enough_evidence"),
        (facts(candidate(), policy=MET, aa_check=build.BUSY), "not_enough_evidence"),
        (facts(candidate(), policy=MET, aa_check=None), "not_enough_evidence"),
        (facts(failed(), policy=MET), "not_enough_evidence"),
        (facts(policy=MET, guidance=NO_METHOD), "not_worth_it"),
        (facts(candidate(), policy=MET, baseline_findings=[IMPLAUSIBLE]), "not_enough_evidence"),
    ],
)
def test_a_met_target_is_said_in_every_outcome(given, outcome):
    verdict = decide(**given)
    assert verdict.outcome == outcome
    assert any("an optimisation, not a fix" in reason for reason in verdict.reasons)
