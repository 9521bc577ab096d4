"""Accuracy: answers on the user's samples, the drop with its bounds, and what samples prove."""

from __future__ import annotations

from core.accuracy.baseline import check_baseline
from core.accuracy.finder import FinderScore, score_presets
from core.accuracy.paired import (
    baseline_accuracy,
    bound_and_gate,
    count_flips,
    paired_accuracy,
)
from core.accuracy.planner import observed_plan, plan_samples, samples_needed
from core.accuracy.predict import Predictions, predict
from core.accuracy.shared_gate import gate_together, shares_samples

__all__ = [
    "FinderScore",
    "Predictions",
    "baseline_accuracy",
    "bound_and_gate",
    "check_baseline",
    "count_flips",
    "gate_together",
    "observed_plan",
    "paired_accuracy",
    "plan_samples",
    "predict",
    "samples_needed",
    "score_presets",
    "shares_samples",
]
