"""What holds for every verdict, whatever was measured."""

from dataclasses import replace
from math import ceil, floor, sqrt

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.accuracy.paired import gate_of
from core.decision import choose, decide, rounds
from core.decision.assess import assess
from core.decision.changes import passing_threshold, sufficient_speedup
from core.records import (
    AACheck,
    ClassAccuracy,
    Deployment,
    Estimate,
    Finding,
    Metric,
    Policy,
    Ratio,
    from_json,
    to_json,
)
from core.records import Verdict as VerdictRecord
from tests.decision import build

YES = {"ship", "ship_for_size", "quantize_selectively"}
LIMIT = 1.0

# Half of what is drawn is good or nearly so: only there can a no become a yes.
ratios = st.floats(1.0, 2.0) | st.floats(0.1, 4)
drops = st.tuples(st.floats(-1, 0.5), st.floats(0.1, 1), st.floats(0.1, 0.6)) | st.tuples(
    st.floats(-3, 6), st.floats(0.1, 2), st.floats(0.1, 2)
)
draws = st.lists(st.floats(-2, 0.9) | st.floats(-2, 4), max_size=3).map(
    lambda values: build.drawn(*values)
)


@st.composite
def latencies(draw):
    low = draw(ratios)
    high = low * draw(st.floats(1, 1.3))
    ratio = low + (high - low) * draw(st.floats(0, 1))
    return build.latency(low, high, draw(st.none() | ratios), ratio=ratio)


def accuracy_of(drop, split, limit=LIMIT):
    value, below, above = drop
    return build.accuracy(value - below, value, value + above, split, limit)


def gated(accuracy, limit, **changes):
    """The same accuracy gated anew, on other bounds or under another threshold."""
    drop = replace(accuracy.drop_points, **changes)
    return build.accuracy(drop.low, drop.value, drop.high, accuracy.split, limit)


def regated(row, limit):
    """The row under another threshold; what the gate had rejected on search may pass."""
    if row.status == "failed" or row.search_accuracy is None:
        return row
    search = gated(row.search_accuracy, limit)
    return replace(
        row,
        status="rejected" if search.gate == "fail" else "measured",
        search_accuracy=search,
        accuracy=row.accuracy and gated(row.accuracy, limit),
    )


@st.composite
def candidates(draw, name="c", confirmed="confirm"):
    method = draw(st.sampled_from(["int8_static", "int8_dynamic", "float16"]))
    row = build.candidate(
        name,
        method,
        speed=draw(latencies()),
        size_bytes=draw(st.none() | st.integers(1, 100_000_000)),
        left_in_float=draw(st.sampled_from([(), ("conv",)])),
    )
    search = accuracy_of(draw(drops), "search")
    confirm = None
    if search.gate != "fail" and draw(st.integers(0, 3)):  # what failed on search is not confirmed
        confirm = accuracy_of(draw(drops), confirmed)
    if draw(st.integers(0, 5)) == 0:
        row = replace(row, latency=None)
    return replace(
        row,
        status="rejected" if search.gate == "fail" else "measured",
        search_accuracy=search,
        accuracy=confirm or search,
        calibration_draws=draw(draws) if confirm else (),
    )


@st.composite
def tables(draw):
    confirmed = draw(st.sampled_from(["confirm", "search+confirm"]))
    rows = [draw(candidates(name, confirmed)) for name in "abcd"[: draw(st.integers(0, 4))]]
    return [build.failed() if draw(st.integers(0, 8)) == 0 else row for row in rows[:1]] + rows[1:]


names = st.none() | st.sampled_from("abcd")


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
@given(tables(), policies, names, st.randoms())
def test_the_order_of_the_candidates_does_not_matter(rows, policy, chosen, random):
    shuffled = [build.baseline(), *rows]
    random.shuffle(shuffled)
    given_ = build.facts(*rows, policy=policy, chosen=chosen)
    assert decide(**given_) == decide(**{**given_, "candidates": tuple(shuffled)})
    assert choose(given_["candidates"], policy) == choose(shuffled, policy)


def with_more_drop(row, more):
    def moved(accuracy):
        if accuracy is None:
            return None
        drop = accuracy.drop_points
        return gated(
            accuracy, LIMIT, low=drop.low + more, value=drop.value + more, high=drop.high + more
        )

    return replace(
        row,
        accuracy=moved(row.accuracy),
        search_accuracy=moved(row.search_accuracy),
        calibration_draws=build.drawn(*(draw.value + more for draw in row.calibration_draws)),
    )


def never_no_into_yes(rows, changed, policy, name, chosen=None):
    """A change of one candidate that speaks against it turns no verdict in its favour."""
    before = verdict_of(rows, policy, chosen=chosen)
    after = verdict_of(changed, policy, chosen=chosen)
    if after.outcome in YES:
        assert before.outcome in YES
    if after.candidate == name and after.outcome in YES:
        assert before.candidate == name


@settings(max_examples=150, deadline=None)
@given(tables(), policies, names, st.integers(0, 3), st.floats(0, 8))
def test_more_drop_never_turns_no_into_yes(rows, policy, chosen, position, more):
    assume(position < len(rows) and rows[position].status != "failed")
    changed = list(rows)
    changed[position] = with_more_drop(changed[position], more)
    never_no_into_yes(rows, changed, policy, rows[position].id, chosen)


@settings(max_examples=120, deadline=None)
@given(tables(), policies, names, st.integers(0, 3), draws, st.floats(0, 3))
def test_more_straddling_draws_never_turn_no_into_yes(rows, policy, chosen, position, more, higher):
    assume(position < len(rows))
    raised = build.drawn(*(draw.value + higher for draw in rows[position].calibration_draws))
    changed = list(rows)
    changed[position] = replace(rows[position], calibration_draws=(*raised, *more))
    never_no_into_yes(rows, changed, policy, rows[position].id, chosen)
    assert choose((build.baseline(), *changed), policy) == choose((build.baseline(), *rows), policy)


def wider(row, share, points):
    """The row with the same values, each known less well."""

    def widened(accuracy):
        if accuracy is None:
            return None
        drop = accuracy.drop_points
        return gated(accuracy, LIMIT, low=drop.low - points, high=drop.high + points)

    latency = row.latency
    if latency is not None:
        latency = replace(
            latency,
            p50_ms=replace(latency.p50_ms, high=latency.p50_ms.high * (1 + share)),
            p99_ms=latency.p99_ms
            and replace(latency.p99_ms, high=latency.p99_ms.high * (1 + share)),
            speedup=replace(
                latency.speedup,
                low=latency.speedup.low / (1 + share),
                high=latency.speedup.high * (1 + share),
            ),
        )
    search = widened(row.search_accuracy)
    return replace(
        row,
        status="rejected" if search.gate == "fail" else "measured",
        latency=latency,
        search_accuracy=search,
        accuracy=widened(row.accuracy),
    )


@settings(max_examples=150, deadline=None)
@given(tables(), policies, names, st.integers(0, 3), st.floats(0, 0.5), st.floats(0, 2))
def test_a_wider_interval_never_turns_no_into_yes(rows, policy, chosen, position, share, points):
    assume(position < len(rows) and rows[position].status != "failed")
    changed = list(rows)
    changed[position] = wider(rows[position], share, points)
    never_no_into_yes(rows, changed, policy, rows[position].id, chosen)


@settings(max_examples=120, deadline=None)
@given(
    tables(), policies, st.integers(0, 3), st.sampled_from(["latency", "accuracy", "size_bytes"])
)
def test_what_is_unmeasured_is_never_green(rows, policy, position, figure):
    assume(position < len(rows))
    changed = list(rows)
    changed[position] = replace(rows[position], **{figure: None})
    never_no_into_yes(rows, changed, policy, rows[position].id)
    if figure != "size_bytes":
        assert verdict_of(changed, policy).candidate != rows[position].id


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


@settings(max_examples=150, deadline=None)
@given(tables(), policies)
def test_what_is_recommended_was_measured_and_passed(rows, policy):
    verdict = verdict_of(rows, policy)
    chosen = [row for row in rows if row.id == verdict.candidate]
    assert bool(chosen) == (verdict.outcome in YES | {"try_fp16"})
    for row in chosen:
        assert row.accuracy is not None
        assert row.accuracy.gate == "pass"
        assert row.latency is not None
        assert verdict.outcome == "try_fp16" or row.accuracy.split != "search"
        assert all(draw.value <= LIMIT for draw in row.calibration_draws) or (
            verdict.outcome == "try_fp16" and row.accuracy.split == "search"
        )
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


@st.composite
def shown_beside(draw, row):
    """The row with classes and other metrics, which may be mentioned and decide nothing."""
    if row.accuracy is None:
        return row
    classes = tuple(
        ClassAccuracy(
            label=label,
            samples=40,
            value=0.5,
            right_to_wrong=draw(st.integers(0, 20)),
            wrong_to_right=draw(st.integers(0, 20)),
            p_holm=draw(st.none() | st.floats(0, 1)),
        )
        for label in range(4)
    )
    value, below, above = draw(drops)
    metric = Metric(
        metric=draw(st.sampled_from(["balanced_accuracy", "macro_f1", "top5_accuracy"])),
        value=0.8,
        drop_points=Estimate(value=value, low=value - below, high=value + above),
    )
    ratio = draw(st.none() | st.floats(0, 40))
    accuracy = replace(row.accuracy, classes=classes, metrics=(metric,), error_ratio=ratio)
    return replace(row, accuracy=accuracy)


@st.composite
def sweeps(draw):
    return tuple(
        build.point(
            draw(st.sampled_from([1, 2, 4])),
            draw(st.sampled_from([1, 8])),
            draw(st.floats(1, 100)),
            draw(st.floats(1, 100)),
            draw(st.sampled_from("abcd")),
        )
        for _ in range(draw(st.integers(0, 3)))
    )


deployments = st.builds(
    Deployment, threads=st.sampled_from([1, 2, 4]), batch_size=st.sampled_from([1, 8])
)


@settings(max_examples=150, deadline=None)
@given(tables(), policies, names, sweeps(), deployments, st.data())
def test_what_is_shown_beside_never_decides(rows, policy, chosen, sweep, deployment, data):
    before = verdict_of(rows, policy, chosen=chosen)
    more = [data.draw(shown_beside(row)) for row in rows]
    after = verdict_of(more, policy, chosen=chosen, sweep=sweep, deployment=deployment)
    assert (after.outcome, after.candidate) == (before.outcome, before.candidate)
    assert after.sentence == before.sentence
    assert after.would_change == before.would_change
    check_form(after)


aa_checks = st.sampled_from(
    [build.QUIET] * 5 + [None, build.BUSY, AACheck(ratio=1.002, low=0.94, high=1.07, passed=False)]
)


def check_form(verdict):
    lines = (verdict.sentence, *verdict.reasons, *verdict.next_steps, *verdict.would_change)
    for line in lines:
        assert line == line.strip()
        assert line.endswith(".")
        assert not any(word in line for word in ("None", "nan", "inf ", "..", "  ", "-0.0 "))
    assert from_json(VerdictRecord, to_json(verdict)) == verdict


def has_figure(line):
    """Whether a line holds a number; those in the names of methods and figures are none."""
    for name in ("int8_static", "int8_dynamic", "float16", "INT8", "FP16", "FP32", "p50", "p99"):
        line = line.replace(name, "")
    return any(character.isdigit() for character in line)


@settings(max_examples=120, deadline=None)
@given(tables(), policies, names, aa_checks)
def test_every_verdict_has_reasons_with_figures_and_next_steps(rows, policy, chosen, aa_check):
    verdict = verdict_of(
        rows,
        policy,
        chosen=chosen,
        aa_check=aa_check,
        samples_needed={row.id: 1000 for row in rows},
    )
    check_form(verdict)
    assert any(has_figure(reason) for reason in verdict.reasons)
    assert verdict.next_steps
    assert all(has_figure(change) for change in verdict.would_change)
    if verdict.outcome == "not_enough_evidence" and rows and aa_check == build.QUIET:
        assert verdict.would_change or rows[0].status == "failed" or no_figures(rows)
    if verdict.outcome in YES | {"try_fp16"}:
        assert verdict.would_change


def no_figures(rows):
    return any(row.latency is None or row.size_bytes is None for row in rows)


def target_is_met(policy):
    return policy.latency_target_ms is not None and policy.latency_target_ms >= 13.65


@settings(max_examples=120, deadline=None)
@given(tables(), policies, names, aa_checks)
def test_a_met_target_makes_speed_an_optimisation_in_every_outcome(rows, policy, chosen, aa_check):
    assume(policy.latency_target_ms is None or abs(policy.latency_target_ms - 13.65) > 0.01)
    verdict = verdict_of(rows, policy, chosen=chosen, aa_check=aa_check)
    said = any("an optimisation, not a fix" in reason for reason in verdict.reasons)
    assert said == target_is_met(policy)


def assessed(row, policy):
    return assess(row, build.baseline(), policy, row.accuracy)


@settings(max_examples=150, deadline=None)
@given(tables(), policies)
def test_the_threshold_that_would_change_the_answer_does(rows, policy):
    before = verdict_of(rows, policy)
    assume(before.outcome in ("not_worth_it", "not_enough_evidence"))
    for row in rows:
        if row.status == "failed":
            continue
        item = assessed(row, policy)
        threshold = passing_threshold(item, policy.max_drop_points)
        said = any(line.startswith(f"{row.id} would pass") for line in before.would_change)
        if threshold is None or item.gain is None or not said:
            assert not said
            continue
        larger = replace(policy, max_drop_points=threshold)
        after = verdict_of([regated(each, threshold) for each in rows], larger)
        assert after != before
        if item.is_confirmed and not item.is_fp16:
            assert after.outcome in YES


def with_runs(row, runs):
    """The row as more runs would have it: the same ratio, a narrower interval."""
    speedup, share = row.latency.speedup, sqrt(row.latency.runs / runs)
    narrow = Ratio(
        ratio=speedup.ratio,
        low=speedup.ratio - (speedup.ratio - speedup.low) * share,
        high=speedup.ratio + (speedup.high - speedup.ratio) * share,
    )
    return replace(row, latency=replace(row.latency, runs=runs, speedup=narrow))


@settings(max_examples=150, deadline=None)
@given(policies, st.floats(0.8, 1.4), *[st.floats(0.001, 0.5)] * 2, st.integers(1, 100_000_000))
def test_the_runs_that_would_change_the_answer_do(policy, ratio, below, above, size_bytes):
    speed = build.latency(ratio / (1 + below), ratio * (1 + above), ratio=ratio)
    row = build.candidate("c", speed=speed, size_bytes=size_bytes)
    item = assessed(row, policy)
    before = verdict_of([row], policy)
    for gain, limit in item.undecided.items():
        assert before.outcome in ("not_enough_evidence", "ship_for_size")
        assert (before.outcome == "ship_for_size") == (item.gain == "size")
        needed = rounds.runs_needed(speed.speedup, speed.runs, limit)
        after = verdict_of([with_runs(row, needed)], policy)
        assert after.outcome == ("ship" if gain == "speed" else "ship_for_size") or (
            gain == "size" and after.outcome == "ship"
        )
    if not item.undecided and item.gain is None and not item.gain_unmeasured:
        # Then no number of runs would do, as the ratio itself is too low.
        exact = verdict_of([with_runs(row, 10**15)], policy)
        assert before.outcome == exact.outcome == "not_worth_it"


@settings(max_examples=120, deadline=None)
@given(tables(), policies)
def test_the_speed_up_that_would_change_the_answer_does(rows, policy):
    for row in rows:
        if row.status == "failed" or row.latency is None:
            continue
        item = assessed(row, policy)
        limit = sufficient_speedup(item)
        if item.gain is None and limit >= 1 and not item.p99_worse and "speed" in policy.gains:
            lower = replace(policy, min_speedup=limit, latency_target_ms=None)
            assert assessed(row, lower).gain == "speed"
            tenth = replace(lower, min_speedup=limit + 0.0101)
            assert assessed(row, tenth).gain != "speed"


@settings(max_examples=150, deadline=None)
@given(latencies(), policies, st.floats(0, 0.4), st.floats(0.02, 0.6))
def test_what_would_unmake_a_yes_does(speed, policy, value, above):
    row = build.candidate("c", drop={"low": -1, "value": value, "high": value + above}, speed=speed)
    before = verdict_of([row], policy)
    if before.outcome not in YES:
        return
    smaller = floor(100 * (value + above)) / 100 - 0.001
    unmade = verdict_of([regated(row, smaller)], replace(policy, max_drop_points=smaller))
    assert unmade.outcome == "not_enough_evidence"
    larger = ceil(100 * speed.speedup.low) / 100 + 0.001
    stricter = verdict_of([row], replace(policy, min_speedup=larger))
    assert (stricter.outcome == before.outcome) == (before.outcome == "ship_for_size")
    none = replace(policy, min_size_reduction=0.7376, gains=("size",))
    assert verdict_of([row], none).outcome not in YES


@settings(deadline=None)
@given(st.floats(-50, 50), st.floats(0, 5), st.floats(0, 5))
def test_the_gate_of_the_builder_is_the_one_of_the_accuracy_package(value, below, above):
    drop = Estimate(value=value, low=value - below, high=value + above)
    assert build.accuracy(drop.low, drop.value, drop.high, "confirm", LIMIT).gate == gate_of(
        drop, LIMIT
    )
