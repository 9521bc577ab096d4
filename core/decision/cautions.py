"""What a candidate that passes may still hide: a class, or another metric. Never a gate."""

from __future__ import annotations

from typing import Final

from core.decision import explain
from core.decision.assess import Assessment
from core.decision.case import Case
from core.records import ClassAccuracy, MetricName

_SIGNIFICANT = 0.05
"""p-value, corrected for the number of classes, up to which a class is named."""

_MOST = 3
"""Classes that are named."""

_NAMES: Final[dict[MetricName, str]] = {
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
}
"""Metrics in which a rare class counts as much as a common one, which accuracy cannot show."""


def class_lines(item: Assessment, case: Case) -> tuple[str, ...]:
    """The classes that lose more than chance explains, the worst first, in one line each."""
    accuracy = item.accuracy
    return tuple(
        f"Class {_name(each, case)} goes from {explain.percent(each.baseline_value)} to "
        f"{explain.percent(each.value)} of {explain.count(each.samples, 'sample')}, more than "
        f"chance explains after Holm's correction for "
        f"{explain.count(len(accuracy.classes), 'class')}."
        for each in _worse(item)
        if accuracy is not None
    )


def class_steps(item: Assessment, case: Case) -> tuple[str, ...]:
    """To look at these classes."""
    names = tuple(_name(each, case) for each in _worse(item))
    if not names:
        return ()
    return (f"Look at the samples of class {explain.listed(names)} before you ship.",)


def metric_lines(item: Assessment, case: Case) -> tuple[str, ...]:
    """Metrics that may drop by more than the threshold while accuracy passed.

    An interval of such a metric is wider than that of accuracy, so that its upper end alone says
    little. It is mentioned where the drop observed is above the threshold, or the upper end is
    above twice the threshold.
    """
    limit = case.policy.max_drop_points
    lines = []
    for each in item.accuracy.metrics if item.accuracy is not None else ():
        drop = each.drop_points
        if each.metric not in _NAMES or drop is None or drop.high <= limit:
            continue
        if drop.value > limit or drop.high > 2 * limit:
            lines.append(
                f"{_NAMES[each.metric]} drops {explain.points(drop.value)} "
                f"({explain.points_range(drop)}), which may be more than the "
                f"{explain.points(limit)} that you allow of accuracy: rare classes weigh more in "
                "it, so look at these."
            )
    return tuple(lines)


def _worse(item: Assessment) -> list[ClassAccuracy]:
    classes = item.accuracy.classes if item.accuracy is not None else ()
    found = [
        each
        for each in classes
        if each.p_holm is not None and each.p_holm <= _SIGNIFICANT and each.lost > 0
    ]
    return sorted(found, key=lambda each: (-each.lost, each.label))[:_MOST]


def _name(each: ClassAccuracy, case: Case) -> str:
    names = case.dataset.class_names
    return f"'{names[each.label] if each.label < len(names) else each.label}'"
