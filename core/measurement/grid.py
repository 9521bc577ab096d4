"""Which thread counts and batch sizes a sweep goes through, so that the whole fits its time."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from core.measurement.schedule import SETTLING_RUNS, Cost
from core.records import Deployment

MIN_ROUNDS = 6
"""The fewest whose smallest and largest hold the median with 95% confidence (96.9%)."""
MAX_ROUNDS = 30
RUNS = 3
"""Timed runs of a turn."""
WARM_UP_RUNS = 3
WARM_UP_S = 0.2

_BATCH_SIZES = (1, 8)
_MOST_THREAD_COUNTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Thread counts by batch sizes around the deployment's own point."""

    own: Deployment
    threads: tuple[int, ...]
    """The deployment's first, then those nearest to it."""
    batch_sizes: tuple[int, ...]
    """The deployment's first, then the others from small to large."""

    @property
    def points(self) -> tuple[Deployment, ...]:
        """Every combination, by threads and then by batch size."""
        return tuple(
            Deployment(threads=threads, batch_size=batch_size)
            for threads in sorted(self.threads)
            for batch_size in sorted(self.batch_sizes)
        )

    def smaller(self) -> Grid | None:
        """Returns the grid without its largest other batch size, or else thread count.

        ``None`` where only the deployment's own point is left.
        """
        if len(self.batch_sizes) > 1:
            return replace(self, batch_sizes=self.batch_sizes[:-1])
        if len(self.threads) > 1:
            return replace(self, threads=self.threads[:-1])
        return None

    def of_own_batch(self) -> Grid | None:
        """Returns the grid with the deployment's batch size alone, ``None`` if it is that."""
        if len(self.batch_sizes) == 1:
            return None
        return replace(self, batch_sizes=self.batch_sizes[:1])


def full_grid(own: Deployment, cores: int) -> Grid:
    """Lays out all points that are worth a look.

    Thread counts are the deployment's, 1, 2, 4 and so on, and one for each core; of more than
    four, those nearest to the deployment's as ratios. Batch sizes are the deployment's, 1 and 8.

    Args:
        own: The deployment.
        cores: Physical cores that may be kept busy.
    """
    doubled = [2**power for power in range(cores.bit_length())]
    counts = {own.threads, *doubled, cores}
    nearest = sorted(counts, key=lambda count: (abs(math.log2(count / own.threads)), count))
    others = [size for size in _BATCH_SIZES if size != own.batch_size]
    return Grid(
        own=own,
        threads=tuple(nearest[:_MOST_THREAD_COUNTS]),
        batch_sizes=(own.batch_size, *others),
    )


def fit(grid: Grid, costs: Mapping[str, Cost], budget_s: float) -> Grid:
    """Leaves out points, large batches first, until the fewest rounds fit into the budget.

    What the others will take is guessed from the deployment's own point: as many times longer
    as their batches are larger, and never less with more threads.

    Args:
        grid: All points.
        costs: By model, at the deployment's own point.
        budget_s: Seconds for opening, warming up and timing.
    """
    while _expected_s(grid, costs.values()) > budget_s and (less := grid.smaller()):
        grid = less
    return grid


def rounds_within(run_s: Iterable[float], budget_s: float) -> int:
    """Returns how many rounds fit into the budget: 6 to 30.

    Args:
        run_s: Seconds of a run of each model at each point.
        budget_s: Seconds for timing.
    """
    round_s = (SETTLING_RUNS + RUNS) * sum(run_s)
    return int(min(max(budget_s / round_s, MIN_ROUNDS), MAX_ROUNDS))


def _expected_s(grid: Grid, costs: Collection[Cost]) -> float:
    opening_s = len(grid.threads) * sum(cost.open_s for cost in costs)
    return opening_s + sum(
        _expected_point_s(cost.run_s * _times_longer(grid.own, point))
        for point in grid.points
        for cost in costs
    )


def _expected_point_s(run_s: float) -> float:
    warm_up_s = max(WARM_UP_RUNS * run_s, WARM_UP_S)
    return warm_up_s + MIN_ROUNDS * (SETTLING_RUNS + RUNS) * run_s


def _times_longer(own: Deployment, point: Deployment) -> float:
    return point.batch_size / own.batch_size * max(own.threads / point.threads, 1.0)
