"""Recipes and the three methods: how a smaller model is made from the user's own."""

from __future__ import annotations

from core.quantization.make import MadeModel, make_candidate
from core.quantization.recipes import plan_recipes

__all__ = ["MadeModel", "make_candidate", "plan_recipes"]
