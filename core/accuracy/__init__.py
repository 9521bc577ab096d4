"""Accuracy: answers on the user's samples, the drop with its bounds, and what samples prove."""

from __future__ import annotations

from core.accuracy.baseline import check_baseline
from core.accuracy.finder import FinderScore, score_presets
from core.accuracy.paired import baseline_accuracy, paired_accuracy
from core.accuracy.planner import SamplePlan, plan_samples, samples_needed
from core.accuracy.predict import Predictions, predict

__all__ = [
    "FinderScore",
    "Predictions",
    "SamplePlan",
    "baseline_accuracy",
    "check_baseline",
    "paired_accuracy",
    "plan_samples",
    "predict",
    "samples_needed",
    "score_presets",
]
