"""Which preprocessing the baseline answers best under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.accuracy.paired import mcnemar_exact
from core.accuracy.predict import Predictions

_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class FinderScore:
    """The presets compared on the same samples."""

    best: str
    """The most accurate; the first given where several are."""
    clearly: bool
    """Whether it beats each other preset beyond what chance explains."""
    accuracies: dict[str, float]
    """Share of right answers, 0 to 1, by preset."""


def score_presets(predictions: Mapping[str, Predictions], labels: ArrayLike) -> FinderScore:
    """Compares the baseline's answers under each preset.

    Args:
        predictions: By preset, on the same samples; at least one.
        labels: True classes, shape ``(samples,)``.

    Returns:
        The best preset. It is clearly the best if every other loses against it in an exact
        McNemar test at 5%, Bonferroni-corrected; presets whose scores are not finite lose.

    Raises:
        ValueError: There is no preset.
    """
    truth = np.asarray(labels, dtype=np.int64)
    right = {
        name: (np.asarray(answers.classes) == truth) & answers.finite
        for name, answers in predictions.items()
    }
    accuracies = {name: float(hits.mean()) for name, hits in right.items()}
    best = max(accuracies, key=lambda name: accuracies[name])
    others = [hits for name, hits in right.items() if name != best]
    level = _LEVEL / max(len(others), 1)
    clearly = all(
        mcnemar_exact(int(np.sum(right[best] & ~hits)), int(np.sum(~right[best] & hits))) <= level
        for hits in others
    )
    return FinderScore(best, clearly, accuracies)
