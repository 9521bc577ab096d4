"""Rounds to add: how many timed runs would narrow an interval enough to decide.

An interval narrows with the square root of the runs, so that to bring its end from ``low`` to a
limit, while the ratio stays, takes ``((ratio - low) / (ratio - limit))**2`` times the runs.
"""

from __future__ import annotations

from math import sqrt

from core.decision import explain
from core.decision.assess import Assessment
from core.protocol import AA_BAND, AA_MARGIN, RUNS, round_up
from core.records import AACheck, Gain, Ratio

_MOST = 1_000_000
"""Runs; nobody makes more, so a larger number says nothing."""


def runs_needed(speedup: Ratio, runs: int, limit: float) -> int:
    """Runs with which the lower bound of a speed-up would be above a limit.

    Args:
        speedup: Its ratio is above the limit, its lower bound is not.
        runs: That it was measured with.
        limit: Such as the smallest useful speed-up.
    """
    factor = ((speedup.ratio - speedup.low) / (speedup.ratio - limit)) ** 2
    # One more, as the bound has to be above the limit.
    return round_up(int(runs * factor) + 1)


def aa_runs_needed(check: AACheck, runs: int) -> int | None:
    """Runs with which an A/A check that failed would pass; None: it is off, runs do not help.

    Args:
        check: One that failed.
        runs: That it was made with.
    """
    low_room, high_room = check.ratio - (1 - AA_BAND), 1 + AA_BAND - check.ratio
    if min(low_room, high_room) <= 0:
        return None
    times = max((check.ratio - check.low) / low_room, (check.high - check.ratio) / high_room)
    if times <= 1:
        return None
    needed = round_up(int(runs * times**2) + 1)
    narrower = sqrt(runs / needed)
    reach = (check.ratio - check.low if check.ratio > 1 else check.high - check.ratio) * narrower
    contains = abs(check.ratio - 1) <= max(reach, AA_MARGIN)
    return needed if contains else None


def to_decide(item: Assessment) -> tuple[str, ...]:
    """With how many runs each gain that is undecided would be shown."""
    latency = item.candidate.latency
    if latency is None:
        return ()
    lines = []
    for gain, limit in item.undecided.items():
        needed = runs_needed(latency.speedup, latency.runs, limit)
        lines.append(
            f"{_about(needed)} runs instead of {latency.runs:,} would show "
            f"{shown(item, gain, limit)}, if the ratio stays at "
            f"{explain.times(latency.speedup.ratio)}."
        )
    return tuple(lines)


def shown(item: Assessment, gain: Gain, limit: float) -> str:
    """What a lower bound above the limit of a gain would show."""
    if gain == "speed":
        return f"that {item.candidate.id} gains more than {explain.times(limit)}"
    return (
        f"that {item.candidate.id} is fast enough for its size to count (above "
        f"{explain.times(limit)})"
    )


def where(runs: int) -> str:
    """A next step: the effort that makes so many runs, or what to do where none does."""
    for effort, made in RUNS.items():
        if runs <= made:
            return (
                f"Evaluate again with the {effort} effort, which makes {made:,} runs if the time "
                f"budget allows it: about {runs:,} are needed."
            )
    return (
        f"Measure on a quieter machine: on this one it takes {_about(runs).lower()} runs, and the "
        f"thorough effort makes {RUNS['thorough']:,}."
    )


def _about(runs: int) -> str:
    return f"About {runs:,}" if runs <= _MOST else f"More than {_MOST:,}"
