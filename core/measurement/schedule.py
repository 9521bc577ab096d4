"""How many runs of which model go into which round, so that the whole fits its time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.records import Effort

MIN_ROUNDS = 20
WARM_UP_RUNS = 10
WARM_UP_S = 1.0
WARM_UP_CAP_S = 5.0
WARM_UP_CAP_RUNS = 3
"""A slow model's warm-up ends after the cap's seconds, but never before so many runs."""
SETTLING_RUNS = 1
"""Untimed runs before each timed ones, which bring the model's data back into the caches."""

_SLOWER = 1.5  # a candidate that takes so many times longer gets fewer runs
_RUNS_IF_SLOWER = 200  # at least, enough to say that it is slower
_FEWEST_GROUPS = 5
_START_S = 1.0  # of a process, with its imports


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the pilot found of one model."""

    open_s: float
    run_s: float
    """The median run: what most will take, whatever else the machine does."""
    fastest_s: float
    """The fastest run, which other work on the machine disturbs least."""

    @property
    def warm_up_s(self) -> float:
        """Expected time of the warm-up, as the rounds do it."""
        shortest = max(WARM_UP_RUNS * self.run_s, WARM_UP_S)
        return max(min(shortest, WARM_UP_CAP_S), WARM_UP_CAP_RUNS * self.run_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The shape of a measurement: groups are processes, and each has so many rounds."""

    groups: int
    rounds: int
    """In each group."""
    runs: dict[str, int]
    """Timed runs of each model in each round."""
    opening_s: float
    """Expected in each group before its first round."""
    round_s: float
    """Expected of each round."""

    @property
    def all_rounds(self) -> int:
        """Rounds of all groups."""
        return self.groups * self.rounds

    @property
    def group_s(self) -> float:
        """Expected of each group."""
        return self.opening_s + self.rounds * self.round_s

    @property
    def expected_s(self) -> float:
        """Expected of the whole."""
        return self.groups * self.group_s

    def total_runs(self, model: str) -> int:
        """Timed runs of one model in all."""
        return self.all_rounds * self.runs[model]


_EFFORTS: dict[Effort, tuple[int, int, int]] = {
    # groups, rounds in each, runs in each: 300, 1,000 and 5,000 runs. Short turns in many
    # rounds, as that is what keeps the models of a round in the same conditions. Measured beside
    # other work in bursts, a 3 ms model against itself: the interval of the speed-up is 0.7 to
    # 0.8% wide with 200 rounds of 5 runs, 1.5 to 2.5% with 100 of 10, 0.8 to 2.7% with 500 of 2.
    "quick": (5, 12, 5),
    "standard": (5, 40, 5),
    "thorough": (10, 50, 10),
}


def runs_wanted(effort: Effort) -> int:
    """Returns how many timed runs of each model an effort means."""
    return math.prod(_EFFORTS[effort])


def plan(costs: Mapping[str, Cost], effort: Effort, budget_s: float, baseline: str) -> Schedule:
    """Fits the rounds of an effort into a budget.

    All models are in every round, whatever is cut: first slower candidates' runs, then rounds
    down to 20, then runs within each round. Below one run of each model in 20 rounds it does not
    go, even if the budget does not hold that.

    Args:
        costs: What the pilot found, by model.
        effort: How many runs there should be.
        budget_s: Seconds for all of it.
        baseline: The model the others are compared with.
    """
    groups, rounds, runs = _EFFORTS[effort]
    slow = [name for name in costs if costs[name].fastest_s > _SLOWER * costs[baseline].fastest_s]
    fewer = min(runs, math.ceil(_RUNS_IF_SLOWER / (groups * rounds)))
    wanted = {name: fewer if name in slow else runs for name in costs}
    schedule = _shape(costs, groups, rounds, wanted)
    if schedule.expected_s > budget_s:
        # Processes beyond these would spend the little time there is on their warm-up.
        rounds, groups = groups * rounds // _FEWEST_GROUPS, _FEWEST_GROUPS
        schedule = _fitted(_shape(costs, groups, rounds, wanted), budget_s)
    if schedule.expected_s > budget_s:
        wanted.update(dict.fromkeys(slow, 1))
        schedule = _fitted(_shape(costs, groups, rounds, wanted), budget_s)
    while schedule.expected_s > budget_s and max(wanted.values()) > 1:
        wanted = {name: math.ceil(count / 2) for name, count in wanted.items()}
        schedule = _fitted(_shape(costs, groups, rounds, wanted), budget_s)
    return schedule


def _shape(costs: Mapping[str, Cost], groups: int, rounds: int, runs: dict[str, int]) -> Schedule:
    return Schedule(
        groups=groups,
        rounds=rounds,
        runs=runs,
        opening_s=_START_S + sum(cost.open_s + cost.warm_up_s for cost in costs.values()),
        round_s=sum(cost.run_s * (SETTLING_RUNS + runs[name]) for name, cost in costs.items()),
    )


def _fitted(wanted: Schedule, budget_s: float) -> Schedule:
    """Returns the schedule with as many of its rounds as the budget holds, at least the fewest."""
    rounds = int((budget_s / wanted.groups - wanted.opening_s) / wanted.round_s)
    fewest = MIN_ROUNDS // wanted.groups
    return replace(wanted, rounds=max(min(rounds, wanted.rounds), fewest))
