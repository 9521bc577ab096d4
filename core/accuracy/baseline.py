"""Is the baseline's accuracy one that a drop can be measured from?

A wrong preprocessing or class order makes a good model answer at chance. A candidate then
"drops nothing", and the verdict would be worthless: an evaluation stops here instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.accuracy.predict import Predictions
from core.records import Finding

_CHANCE_LEVEL = 0.05
_ORDER_LEVEL = 0.001
_ORDER_GAIN = 0.2
"""Share of right answers that another class order must add before it is worth a word."""

_EXPECTED_WITHIN = 0.03
"""Accuracy this near to the expected one is not worth a word, however many samples say so."""
_EXPECTED_CONFIDENCE = 0.99

Integers = NDArray[np.int64]


def check_baseline(
    predictions: Predictions,
    labels: ArrayLike,
    classes: int,
    *,
    expected_accuracy: float | None = None,
) -> tuple[Finding, ...]:
    """Looks for signs that the model was not given what it was trained on.

    Args:
        predictions: The baseline's answers.
        labels: True classes, shape ``(samples,)``.
        classes: How many the dataset has.
        expected_accuracy: Share of right answers that the user knows it to give, 0 to 1; None:
            not stated.

    Returns:
        Findings of severity ``error`` where the baseline is implausible: NaN, one class always,
        no better than chance, right only under another class order, or far below what is
        expected; ``warning`` where it is far above, or below the most frequent class's share.
    """
    truth = np.asarray(labels, dtype=np.int64)
    answers = np.asarray(predictions.classes, dtype=np.int64)
    if not predictions.finite:
        return (
            _error(
                "not_finite",
                "The baseline's outputs contain NaN or infinite values: check that the model "
                "gives finite scores for these inputs, and that the preprocessing is the one it "
                "was trained with.",
            ),
        )
    order = _class_order(answers, truth)
    if order is not None:
        return (order,)
    right = int(np.sum(answers == truth))
    said = f"right on {right} of {len(truth)} samples ({right / len(truth):.0%})"
    if len(truth) > 1 and len(np.unique(answers)) == 1:
        return (
            _error(
                "constant_prediction",
                f"The baseline always answers class {answers[0]} and is {said}: try the "
                "preprocessing finder, as the inputs are probably scaled in another way than in "
                "the model's training.",
            ),
        )
    chance = chance_accuracy(answers, truth)
    if _at_least(right, len(truth), chance) > _CHANCE_LEVEL:
        return (
            _error(
                "chance_level",
                f"The baseline is {said}, no better than guessing ({chance:.0%}): try the "
                "preprocessing finder, and check that the labels are in the model's class order.",
            ),
        )
    findings = (
        [] if expected_accuracy is None else _far_from(expected_accuracy, right, len(truth), said)
    )
    majority = int(np.bincount(truth, minlength=classes).max())
    if right <= majority:
        findings.append(
            Finding(
                severity="warning",
                code="below_majority",
                sentence=f"The baseline is {said}; always answering the most frequent class "
                f"would be right on {majority}. Check the preprocessing if you expected more.",
            )
        )
    return tuple(findings)


def chance_accuracy(answers: Integers, labels: Integers) -> float:
    """Expected share of right answers if answers and labels had nothing to do with each other.

    Each keeps its own class frequencies, so that a model that leans towards a frequent class
    gets no credit for it (Cohen 1960, Educational and Psychological Measurement 20:37-46).
    """
    size = int(max(answers.max(), labels.max(), 0)) + 1
    said = np.bincount(np.maximum(answers, 0), minlength=size) / len(answers)
    true = np.bincount(labels, minlength=size) / len(labels)
    return float(said @ true)


def _at_least(right: int, samples: int, chance: float) -> float:
    """One-sided exact binomial p-value that guessing does as well."""
    from scipy.special import bdtrc

    return 1.0 if right == 0 else float(bdtrc(right - 1, samples, chance))


def _far_from(expected: float, right: int, samples: int, said: str) -> list[Finding]:
    """Holds the accuracy against what the user expects, where chance cannot explain the gap.

    Source: Clopper CJ, Pearson ES (1934), Biometrika 26:404-413, for the exact interval.
    """
    from scipy.stats import binomtest

    if abs(right / samples - expected) <= _EXPECTED_WITHIN:
        return []
    interval = binomtest(right, samples).proportion_ci(_EXPECTED_CONFIDENCE, method="exact")
    if interval.high < expected:
        return [
            _error(
                "below_expected",
                f"The baseline is {said}, far below the {expected:.0%} you expect: try the "
                "preprocessing finder, and check that the labels are in the model's class order.",
            )
        ]
    if interval.low > expected:
        return [
            Finding(
                severity="warning",
                code="above_expected",
                sentence=f"The baseline is {said}, far above the {expected:.0%} you expect: check "
                "that none of these samples were in the model's training data.",
            )
        ]
    return []


def _class_order(answers: Integers, labels: Integers) -> Finding | None:
    """Tells whether another order of the classes explains the answers much better.

    The best order is found on every other sample and counts on the rest: on its own samples
    some order always looks good where the classes are many.
    """
    renamed = _renamed_classes(answers[::2], labels[::2])
    held_answers, held_labels = answers[1::2], labels[1::2]
    if not len(held_labels):
        return None
    best = np.array([renamed.get(int(answer), -1) for answer in held_answers])
    right, right_now = int(np.sum(best == held_labels)), int(np.sum(held_answers == held_labels))
    samples = len(held_labels)
    by_chance = max(right_now / samples, chance_accuracy(best, held_labels))
    if right - right_now < _ORDER_GAIN * samples:
        return None
    if _at_least(right, samples, by_chance) > _ORDER_LEVEL:
        return None
    shifts = {label - answer for answer, label in renamed.items()}
    how = (
        f"each label is {abs(shift)} {'above' if shift > 0 else 'below'} the model's answer"
        if len(shifts) == 1 and (shift := next(iter(shifts)))
        else "the best match of classes is not the given one"
    )
    return _error(
        "class_order",
        f"The class order of the labels looks different from the model's: {how}, and with it "
        f"accuracy would be {right / samples:.0%} instead of {right_now / samples:.0%}. Put the "
        "classes in the order of the model's outputs.",
    )


def _renamed_classes(answers: Integers, labels: Integers) -> dict[int, int]:
    """The one-to-one renaming of answers under which most are right."""
    from scipy.optimize import linear_sum_assignment

    said, said_at = np.unique(answers, return_inverse=True)
    true, true_at = np.unique(labels, return_inverse=True)
    together = np.zeros((len(said), len(true)), dtype=np.int64)
    np.add.at(together, (said_at, true_at), 1)
    rows, columns = linear_sum_assignment(together, maximize=True)
    pairs = zip(rows, columns, strict=True)
    return {int(said[r]): int(true[c]) for r, c in pairs if together[r, c]}


def _error(code: str, sentence: str) -> Finding:
    return Finding(severity="error", code=code, sentence=sentence)
