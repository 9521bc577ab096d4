"""A test for each row of the decision table, the choice, and the sentences."""

from dataclasses import replace

import pytest

from core.decision import choose, decide
from core.records import Finding, Guidance, Machine, Policy
from tests.decision import build
from tests.decision.build import FAIL, OPEN, UNLIKELY, candidate, facts, failed, fp16, latency

NO_GAIN = latency(1.02, 1.05, 1.03)
SLOW = latency(0.13, 0.16, 0.15)
NO_METHOD = Guidance(method="none", reasons=("The model is quantized to INT8 already.",))
IMPLAUSIBLE = Finding(severity="error", code="chance_level", sentence="It guesses.")
SIZE_TOO = latency(1.0, 1.04, 1.0)


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
    ("7", facts(candidate(drop=OPEN)), "not_enough_evidence", None),
    ("7", facts(candidate(drop=UNLIKELY)), "not_enough_evidence", None),
    ("7", facts(candidate(drop=OPEN), fp16()), "not_enough_evidence", None),
    ("7", facts(candidate(split="search")), "not_enough_evidence", None),
    ("7", facts(candidate(drop=OPEN, split="search")), "not_enough_evidence", None),
    ("7", facts(unmeasured(candidate())), "not_enough_evidence", None),
    ("7", facts(replace(candidate(), accuracy=None)), "not_enough_evidence", None),
    ("8", facts(candidate(drop=FAIL), fp16()), "try_fp16", "float16"),
    ("8", facts(candidate(speed=SLOW), fp16()), "try_fp16", "float16"),
    ("8", facts(candidate(speed=SLOW), fp16(speed=latency(0.93, 0.97))), "try_fp16", "float16"),
    ("8", facts(candidate(drop=UNLIKELY, split="search"), fp16()), "try_fp16", "float16"),
    ("8", facts(fp16(split="confirm"), failed()), "try_fp16", "float16"),
    ("9", facts(candidate(drop=FAIL), fp16(drop=OPEN)), "not_enough_evidence", None),
    ("9", facts(candidate(drop=FAIL), unmeasured(fp16())), "not_enough_evidence", None),
    ("10", facts(failed()), "not_enough_evidence", None),
    ("11", facts(candidate(drop=FAIL)), "not_worth_it", None),
    ("11", facts(candidate(speed=SLOW)), "not_worth_it", None),
    ("11", facts(candidate(drop=FAIL), fp16(speed=latency(0.7, 0.8, 0.75))), "not_worth_it", None),
    ("11", facts(candidate(drop=UNLIKELY, split="search")), "not_worth_it", None),
    ("11", facts(candidate(drop=FAIL, split="search"), failed()), "not_worth_it", None),
    ("11", facts(candidate(), policy=Policy(gains=())), "not_worth_it", None),
    (
        "11",
        facts(candidate(), policy=Policy(gains=("speed",), latency_target_ms=50)),
        "not_worth_it",
        None,
    ),
    (
        "11",
        facts(candidate(speed=NO_GAIN), policy=Policy(gains=("speed",))),
        "not_worth_it",
        None,
    ),
    (
        "11",
        facts(candidate(speed=latency(1.05, 1.3, 1.2)), policy=Policy(gains=("speed",))),
        "not_worth_it",
        None,
    ),
    ("11", facts(candidate(speed=NO_GAIN, size_bytes=70_000_000)), "not_worth_it", None),
]


@pytest.mark.parametrize(("row", "given", "outcome", "name"), ROWS)
def test_row_of_the_table(row, given, outcome, name):
    verdict = decide(**given)
    assert (verdict.outcome, verdict.candidate) == (outcome, name), row
    assert verdict.sentence.endswith(".")
    assert verdict.reasons


def test_every_row_is_tested():
    assert {row for row, *_ in ROWS} == {"1", "2", "3", "4", "5a", "5b", *map(str, range(6, 12))}


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
        ([searched("all"), selective(speed=latency(1.9, 2.1))], "selective"),
        ([searched("all", OPEN), selective(speed=latency(1.61, 1.81))], "selective"),
        ([unmeasured(searched("unknown"))], None),
        ([], None),
    ],
)
def test_choice_after_the_search(rows, name):
    assert choose((build.baseline(), *rows), Policy()) == name
    assert choose((*reversed(rows), build.baseline()), Policy()) == name


def test_fp16_says_what_int8_lacked() -> None:
    faster = decide(**facts(candidate(drop=UNLIKELY, split="search"), fp16()))
    slower = decide(**facts(candidate(speed=SLOW), fp16()))
    assert "as no INT8 candidate that gains is proven to keep the accuracy" in faster.sentence
    assert "as INT8 does not pay here" in slower.sentence
