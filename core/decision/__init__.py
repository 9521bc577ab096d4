"""Decision: which method to expect of a model, which candidate to confirm, and the verdict."""

from __future__ import annotations

from core.decision.front import pareto_front
from core.decision.guidance import guide, method_warning, predicted_size, usual_method
from core.decision.verdict import choose, decide

__all__ = [
    "choose",
    "decide",
    "guide",
    "method_warning",
    "pareto_front",
    "predicted_size",
    "usual_method",
]
