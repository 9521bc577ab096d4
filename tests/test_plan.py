from __future__ import annotations

import pytest

from core.plan import plan_steps, title_of
from core.records import Effort, Recipe, Request, Splits

SPLITS = Splits(calibration=100, search=300, confirm=600)
RECIPES = (
    Recipe(id="float16", method="float16"),
    Recipe(id="int8_dynamic", method="int8_dynamic"),
    Recipe(id="int8_static", method="int8_static"),
    Recipe(id="int8_static_selective", method="int8_static", left_in_float=("conv_1",)),
)


def seconds(
    effort: Effort = "standard", recipes: tuple[Recipe, ...] = RECIPES, p50_ms: float = 10.0
) -> dict[str, float]:
    steps = plan_steps(Request(effort=effort), recipes, p50_ms, SPLITS)
    assert len({step.name for step in steps}) == len(steps)
    return {step.name: step.seconds for step in steps}


def test_before_the_recipes_are_known_making_them_is_one_step() -> None:
    assert [step.name for step in plan_steps(Request())] == [
        *("model", "dataset", "baseline", "recipes", "candidates"),
        *("latency", "footprint", "confirm", "draws", "sweep"),
    ]


def test_afterwards_each_recipe_is_a_step_in_its_place() -> None:
    assert list(seconds()) == [
        *("model", "dataset", "baseline", "recipes"),
        *(f"make:{recipe.id}" for recipe in RECIPES),
        *("latency", "footprint", "confirm", "draws", "sweep"),
    ]
    assert [name for name in seconds(recipes=()) if name.startswith(("make", "candidates"))] == []


def test_the_plan_hardly_changes_once_the_recipes_are_known() -> None:
    before = sum(step.seconds for step in plan_steps(Request()))
    assert before == pytest.approx(sum(seconds().values()), rel=0.1)


def test_slower_models_more_effort_and_more_recipes_take_longer() -> None:
    assert seconds(p50_ms=100)["latency"] > 5 * seconds(p50_ms=10)["latency"]
    assert seconds("quick")["latency"] < seconds("standard")["latency"]
    assert seconds("standard")["confirm"] < seconds("thorough")["confirm"]
    assert seconds(recipes=RECIPES[:1])["latency"] < seconds()["latency"]
    assert min(seconds("quick", (), 0.001).values()) > 0


def test_only_a_recipe_that_calibrates_is_calibrated_again() -> None:
    assert "draws" not in seconds(recipes=RECIPES[:2])
    smoothed = Recipe(id="smooth", method="int8_dynamic", smooth=1.0, calibration_samples=100)
    assert "draws" in seconds(recipes=(*RECIPES[:2], smoothed))


def test_titles_are_for_people() -> None:
    assert [title_of(recipe) for recipe in RECIPES] == [
        "Make and check FP16",
        "Make and check INT8 dynamic",
        "Make and check INT8 static",
        "Make and check INT8 static, 1 node in FP32",
    ]
