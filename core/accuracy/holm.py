"""Holm's correction: several questions to the same samples, and one error rate for all of them.

Source: Holm S (1979). A simple sequentially rejective multiple test procedure. Scandinavian
Journal of Statistics 6:65-70.
"""

from __future__ import annotations

from collections.abc import Sequence


def adjust(p_values: Sequence[float]) -> tuple[float, ...]:
    """Corrects p-values for their number.

    Args:
        p_values: Of each hypothesis on its own; any dependence between them.

    Returns:
        In the same order, 0 to 1: those at most a level are the hypotheses rejected at it, and
        a true one is among these with at most that probability.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for step, position in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[position]))
        adjusted[position] = largest
    return tuple(adjusted)


def step_confidence(confidence: float, remaining: int) -> float:
    """Confidence that one of several needs at its step.

    Args:
        confidence: Of all of them together, such as 0.95.
        remaining: Hypotheses not yet rejected, at least 1; all of them at the first step, which
            is Bonferroni's.
    """
    return 1 - (1 - confidence) / remaining
