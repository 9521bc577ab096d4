"""What holds for every verdict, whatever was measured."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from core.accuracy.paired import gate_of
from core.decision import choose, decide
from core.records import Estimate, Finding, Policy, from_json, to_json
from core.records import Verdict as VerdictRecord
from tests.decision import build

YES = {"ship", "ship_for_size", "quantize_selectively"}
LIMIT = 1.0

ratios = st.floats(0.1, 4)
drops = st.tuples(st.floats(-3, 6), st.floats(0.1, 2), st.floats(0.1, 2))


@st.composite
def latencies(draw):
    low = draw(ratios)
    high = low * draw(st.floats(1, 1.3))
    return build.latency(low, high, draw(st.none() | ratios))


def accuracy_of(drop, split):
    value, below, above = drop
    return build.accuracy(value - below, value, value + above, split, LIMIT)


@st.composite
def candidates(draw, name="c"):
    method = draw(st.sampled_from(["int8_static", "int8_dynamic", "float16"]))
    row = build.candidate(
        name,
        method,
        speed=draw(latencies()),
        size_bytes=draw(st.none() | st.integers(1, 100_000_000)),
        left_in_float=draw(st.sampled_from([(), ("conv",)])),
    )
    search = accuracy_of(draw(drops), "search")
    confirm = draw(st.none() | drops.map(lambda drop: accuracy_of(drop, "confirm")))
    status = "rejected" if search.gate == "fail" else "measured"
    if draw(st.integers(0, 5)) == 0:
        row = replace(row, latency=None)
    return replace(row, status=status, search_accuracy=search, accuracy=confirm or search)


@st.composite
def tables(draw):
    rows = [draw(candidates(name)) for name in "abcd"[: draw(st.integers(0, 4))]]
    return [build.failed() if draw(st.integers(0, 8)) == 0 else row for row in rows[:1]] + rows[1:]


policies = st.builds(
    Policy,
    min_speedup=st.floats(1, 1.5),
    min_size_reduction=st.floats(0, 0.8),
    gains=st.sampled_from([("speed", "size"), ("speed",), ("size",), ()]),
    latency_target_ms=st.none() | st.floats(1, 30),
)


def verdict_of(rows, policy, **changes):
    return decide(**build.facts(*rows, policy=policy, **changes))


@settings(max_examples=150, deadline=None)
@given(tables(), policies, st.randoms())
def test_the_order_of_the_candidates_does_not_matter(rows, policy, random):
    shuffled = [build.baseline(), *rows]
    random.shuffle(shuffled)
    given_ = build.facts(*rows, policy=policy)
    assert decide(**given_) == decide(**{**given_, "candidates": tuple(shuffled)})
    assert choose(given_["candidates"], policy) == choose(shuffled, policy)


def with_more_drop(row, more, split):
    def moved(accuracy):
        if accuracy is None or accuracy.split != split:
            return accuracy
        drop = accuracy.drop_points
        return build.accuracy(drop.low + more, drop.value + more, drop.high + more, split, LIMIT)

    return replace(row, accuracy=moved(row.accuracy), search_accuracy=moved(row.search_accuracy))


@settings(max_examples=250, deadline=None)
@given(tables(), policies, st.integers(0, 3), st.floats(0, 8))
def test_more_drop_never_turns_no_into_yes(rows, policy, position, more):
    if not rows:
        return
    before = verdict_of(rows, policy)
    changed = list(rows)
    target = position % len(rows)
    if changed[target].status == "failed":
        return
    for split in ("search", "confirm"):
        changed[target] = with_more_drop(changed[target], more, split)
    after = verdict_of(changed, policy)
    if after.outcome in YES:
        assert before.outcome in YES
    if after.candidate == rows[target].id:
        assert before.candidate == rows[target].id


@settings(max_examples=150, deadline=None)
@given(tables(), policies, st.sampled_from([None, build.BUSY]))
def test_without_a_passed_aa_check_nothing_is_recommended(rows, policy, aa_check):
    assert verdict_of(rows, policy, aa_check=aa_check).outcome == "not_enough_evidence"


@settings(max_examples=100, deadline=None)
@given(tables(), policies, st.booleans())
def test_an_error_found_in_baseline_or_dataset_recommends_nothing(rows, policy, in_dataset):
    error = Finding(severity="error", code="leakage", sentence="Samples are in two splits.")
    where = {"dataset": build.dataset([error])} if in_dataset else {"baseline_findings": [error]}
    assert verdict_of(rows, policy, **where).outcome == "not_enough_evidence"


@settings(max_examples=250, deadline=None)
@given(tables(), policies)
def test_what_is_recommended_was_measured_and_passed(rows, policy):
    verdict = verdict_of(rows, policy)
    chosen = [row for row in rows if row.id == verdict.candidate]
    assert bool(chosen) == (verdict.outcome in YES | {"try_fp16"})
    for row in chosen:
        assert row.accuracy is not None
        assert row.accuracy.gate == "pass"
        assert row.latency is not None
        assert verdict.outcome == "try_fp16" or row.accuracy.split == "confirm"
        assert (verdict.outcome == "try_fp16") == (row.recipe.method == "float16")
        if verdict.outcome in ("ship", "quantize_selectively"):
            assert row.latency.speedup.low > policy.min_speedup
            assert (verdict.outcome == "ship") == (not row.recipe.left_in_float)
        else:
            assert row.size_bytes is not None or row.latency.speedup.low > policy.min_speedup


@settings(max_examples=150, deadline=None)
@given(tables(), policies, st.floats(1.0, 2.0))
def test_a_stricter_speed_up_never_turns_no_into_yes(rows, policy, factor):
    before = verdict_of(rows, policy)
    stricter = replace(policy, min_speedup=policy.min_speedup * factor)
    if verdict_of(rows, stricter).outcome in YES:
        assert before.outcome in YES


@settings(max_examples=150, deadline=None)
@given(tables(), policies)
def test_what_would_change_the_answer_is_said_in_whole_sentences(rows, policy):
    verdict = verdict_of(rows, policy, samples_needed={row.id: 1000 for row in rows})
    lines = (verdict.sentence, *verdict.reasons, *verdict.next_steps, *verdict.would_change)
    for line in lines:
        assert line == line.strip()
        assert line.endswith(".")
        assert not any(word in line for word in ("None", "nan", "inf ", "..", "  ", "-0.0 "))
    assert verdict.reasons or not rows
    assert from_json(VerdictRecord, to_json(verdict)) == verdict


@settings(deadline=None)
@given(st.floats(-50, 50), st.floats(0, 5), st.floats(0, 5))
def test_the_gate_of_the_builder_is_the_one_of_the_accuracy_package(value, below, above):
    drop = Estimate(value=value, low=value - below, high=value + above)
    assert build.accuracy(drop.low, drop.value, drop.high, "confirm", LIMIT).gate == gate_of(
        drop, LIMIT
    )
