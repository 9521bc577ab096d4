"""Recipes, the methods that carry them out, and the search for the best."""

from __future__ import annotations

from core.quantization.make import MadeModel, make_candidate
from core.quantization.recipes import plan_recipes
from core.quantization.search import ACCURACY_STAGES, Stage, accuracy_order, best_of, refine
from core.quantization.sensitivity.measure import measure_blocks

__all__ = [
    "ACCURACY_STAGES",
    "MadeModel",
    "Stage",
    "accuracy_order",
    "best_of",
    "make_candidate",
    "measure_blocks",
    "plan_recipes",
    "refine",
]
