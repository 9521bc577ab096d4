"""The Pareto front: the candidates that no other beats in latency, drop and size together."""

from __future__ import annotations

from collections.abc import Sequence

from core.records import Candidate, Evaluation, Ratio

Figures = tuple[float, float, int]
"""Time of a run relative to the baseline's, drop in points, bytes: less is better in each."""


def pareto_front(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Ids of the candidates on the front, fastest first; the baseline may be one of them.

    Time is from the full measurement, or from the search's short one where there is no other;
    drops are those on *search*, which all candidates have. A candidate that lacks a figure, was
    tried on a part of *search* only, or was set aside with its file, is not on the front. Of
    several that are equal in all three, each is.
    """
    most = max(
        (row.search_accuracy.samples for row in candidates if row.search_accuracy), default=0
    )
    figures = {row.id: found for row in candidates if (found := _figures(row, most)) is not None}
    front = [
        name
        for name, mine in figures.items()
        if not any(_beats(other, mine) for other in figures.values())
    ]
    return tuple(sorted(front, key=lambda name: (figures[name], name)))


def best_speedup(row: Candidate) -> Ratio | None:
    """The speed-up from the full measurement, or else from the search's short one."""
    return row.latency.speedup if row.latency is not None else row.search_speedup


def front_of(evaluation: Evaluation) -> tuple[str, ...]:
    """The front; evaluations from before it was kept have the figures that it follows from."""
    return evaluation.front or pareto_front(evaluation.candidates)


def arranged(evaluation: Evaluation) -> tuple[Candidate, ...]:
    """What was timed: baseline, chosen, front, others, rejected; in each the fastest first."""
    front = front_of(evaluation)

    def place(row: Candidate) -> tuple[int, float]:
        groups = (
            row.recipe.method == "none",
            row.id == evaluation.verdict.candidate,
            row.status == "measured" and row.id in front,
            row.status == "measured",
            True,
        )
        speed = best_speedup(row)
        return groups.index(True), -speed.ratio if speed else 0.0

    return tuple(sorted((row for row in evaluation.candidates if row.latency), key=place))


def _figures(row: Candidate, samples: int) -> Figures | None:
    accuracy, speed = row.search_accuracy, best_speedup(row)
    if row.status == "failed" or speed is None or accuracy is None or row.size_bytes is None:
        return None
    if row.file is None and row.recipe.method != "none":
        return None
    if accuracy.samples < samples:
        return None
    return 1 / speed.ratio, accuracy.drop_points.value, row.size_bytes


def _beats(one: Figures, other: Figures) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
