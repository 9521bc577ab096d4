from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from core.decision.front import best_speedup, pareto_front
from core.records import Candidate, Estimate, Ratio, Recipe
from tests.decision import build

Figures = tuple[float, float, int]


def row(
    id: str,
    speed: float | None = 1.0,
    drop: float | None = 0.0,
    size: int | None = 100,
    *,
    samples: int = 300,
    status: str = "measured",
    file: str | None = "models/a.onnx",
) -> Candidate:
    """A candidate with the three figures; None: that one is missing."""
    accuracy = drop is not None and replace(
        build.accuracy(split="search"),
        samples=samples,
        drop_points=Estimate(value=drop, low=drop - 1, high=drop + 1),
    )
    return Candidate(
        id=id,
        recipe=Recipe(id=id, method="none" if id == "baseline" else "int8_static"),
        status=status,
        size_bytes=size,
        file=None if id == "baseline" else file,
        latency=speed and build.latency(low=0.9 * speed, high=1.1 * speed, ratio=speed),
        search_accuracy=accuracy or None,
    )


# Few values, so that ties are common.
figures = st.tuples(
    st.none() | st.sampled_from([0.5, 1.0, 2.0, 2.5]),
    st.none() | st.sampled_from([-0.5, 0.0, 1.0, 20.0]),
    st.none() | st.sampled_from([25, 50, 100]),
)
rows = st.lists(figures, max_size=8).map(
    lambda many: [row(f"c{place}", *each) for place, each in enumerate(many)]
)


def values(candidate: Candidate) -> Figures | None:
    speed, accuracy = best_speedup(candidate), candidate.search_accuracy
    if speed is None or accuracy is None or candidate.size_bytes is None:
        return None
    return -speed.ratio, accuracy.drop_points.value, candidate.size_bytes


def no_worse(one: Figures, other: Figures) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


@given(rows)
def test_nothing_on_the_front_is_beaten_and_all_else_is(candidates: list[Candidate]) -> None:
    front = pareto_front(candidates)
    known = {each.id: found for each in candidates if (found := values(each)) is not None}
    assert len(set(front)) == len(front)
    for name, mine in known.items():
        better = [each for each in known.values() if each != mine and no_worse(each, mine)]
        assert (name in front) == (not better)
        if better:
            assert any(no_worse(known[id], mine) for id in front)
    assert set(front) <= set(known)
    assert bool(front) == bool(known)


@given(rows)
def test_the_fastest_comes_first(candidates: list[Candidate]) -> None:
    speeds = {each.id: best_speedup(each) for each in candidates}
    ratios = [speeds[id].ratio for id in pareto_front(candidates)]
    assert ratios == sorted(ratios, reverse=True)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(candidates, random) -> None:
    shuffled = random.sample(candidates, len(candidates))
    assert pareto_front(shuffled) == pareto_front(candidates)


@given(rows)
def test_one_that_is_worse_in_everything_changes_nothing(candidates: list[Candidate]) -> None:
    front = pareto_front(candidates)
    if front:
        assert pareto_front([*candidates, row("worse", 0.1, 90.0, 1000)]) == front


def test_equals_are_all_on_it_and_the_baseline_may_be() -> None:
    same = [row("baseline", 1.0, 0.0, 100), row("a", 2.0, 1.0, 25), row("b", 2.0, 1.0, 25)]
    assert pareto_front(same) == ("a", "b", "baseline")
    assert pareto_front([*same, row("c", 2.0, 0.0, 25)]) == ("c",)


def test_what_failed_or_was_given_up_is_not_on_it() -> None:
    kept = row("kept", 1.5, 0.5, 50)
    others = [
        row("failed", 3.0, 0.0, 10, status="failed"),
        row("set_aside", 3.0, 0.0, 10, file=None, status="rejected"),
        row("first_look_only", 3.0, 0.0, 10, samples=75),
    ]
    assert pareto_front([kept, *others]) == ("kept",)


def test_the_short_run_counts_where_there_is_no_full_one() -> None:
    short = replace(row("short", None), search_speedup=Ratio(ratio=3.0, low=2.5, high=3.5))
    both = replace(row("both", 2.0), search_speedup=Ratio(ratio=9.0, low=8.0, high=10.0))
    assert best_speedup(short).ratio == 3.0
    assert best_speedup(both).ratio == 2.0
    assert pareto_front([both, short]) == ("short",)
