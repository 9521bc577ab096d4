"""Simulated evaluations: labels and answers of models whose true drop is known."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.accuracy.bounds import passing_outcomes
from core.accuracy.planner import least_samples

CONFIDENCE = 0.95
EVEN = np.full(10, 0.1)
UNEVEN = np.array([0.4, 0.2, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.02])
RARE = np.array([0.95, 0.05])


@dataclass(frozen=True)
class Truth:
    """What a candidate does to any sample: the true shares of answers."""

    accuracy: float
    """The baseline's."""
    lost: float
    won: float

    @classmethod
    def of(cls, accuracy: float, flip_rate: float, drop: float):
        """From the share of answers that flip and the drop, all from 0 to 1."""
        return cls(accuracy, (flip_rate + drop) / 2, (flip_rate - drop) / 2)

    @property
    def possible(self) -> bool:
        return 0 <= self.lost <= self.accuracy and 0 <= self.won <= 1 - self.accuracy


def simulate(rng, truths, samples, evaluations, *, shares=EVEN, alike=0.0):
    """Labels, the baseline's answers and each candidate's, all ``(evaluations, samples)``.

    ``alike``: the share of samples on which all candidates meet the same luck. A wrong answer
    is any other class.
    """
    size, classes = (evaluations, samples), len(shares)

    def uniform():
        return rng.random(size, dtype=np.float32)

    def another():
        return (labels + rng.integers(1, classes, size, dtype=np.uint8)) % classes

    labels = np.searchsorted(np.cumsum(shares[:-1]), uniform(), side="right").astype(np.uint8)
    right = uniform() < truths[0].accuracy
    baseline = np.where(right, labels, another())
    same = uniform() < alike if alike else False
    luck = uniform() if alike else None
    candidates = []
    for truth in truths:
        own = np.where(same, luck, uniform()) if alike else uniform()
        lost = right & (own < truth.lost / truth.accuracy)
        won = ~right & (own < truth.won / (1 - truth.accuracy))
        candidates.append(np.where(lost, another(), np.where(won, labels, baseline)))
    return labels, baseline, candidates


def flips(labels, baseline, candidate):
    """Right to wrong and wrong to right, by evaluation."""
    was_right, is_right = baseline == labels, candidate == labels
    return (was_right & ~is_right).sum(axis=1), (~was_right & is_right).sum(axis=1)


def draw_flips(rng, truth, samples, evaluations):
    """The flips of one candidate, from simulated labels and answers, some at a time."""
    at_a_time = max(2_000_000 // samples, 1)
    parts = []
    for start in range(0, evaluations, at_a_time):
        count = min(at_a_time, evaluations - start)
        labels, baseline, (candidate,) = simulate(rng, [truth], samples, count)
        parts.append(flips(labels, baseline, candidate))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


@lru_cache(maxsize=256)
def _outcomes(limit_points, samples, confidence):
    return passing_outcomes(limit_points / 100, samples, confidence)


def bounded_by(limit_points, lost, won, samples, confidence=CONFIDENCE):
    """Where the upper bound of the drop is at most a limit, for whole arrays of flips."""
    return lost <= _outcomes(limit_points, samples, confidence)[won]


def passes(threshold_points, lost, won, samples, confidence=CONFIDENCE):
    """Where the gate passes, for whole arrays of flips."""
    least = least_samples(threshold_points, confidence)
    enough = least is not None and samples >= least
    return bounded_by(threshold_points, lost, won, samples, confidence) & enough


def at_most(share, evaluations):
    """A share plus what 10,000 evaluations, say, may show above it by chance: 3 standard errors."""
    return share + 3 * np.sqrt(share * (1 - share) / evaluations)


def true_drops(truth, shares):
    """Drop of balanced accuracy and macro-F1 in points, over infinitely many samples."""

    def f1(accuracy):
        wrong = (1 - accuracy) / (len(shares) - 1)
        said = shares * accuracy + (1 - shares) * wrong
        return np.mean(2 * shares * accuracy / (shares + said))

    drop = truth.lost - truth.won
    return {
        "balanced_accuracy": 100 * drop,
        "macro_f1": 100 * (f1(truth.accuracy) - f1(truth.accuracy - drop)),
    }
