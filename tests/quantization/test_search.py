from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.quantization.search import ACCURACY_STAGES, accuracy_order, best_of, refine
from core.records import (
    Accuracy,
    BlockCost,
    Candidate,
    Estimate,
    ModelProfile,
    Recipe,
    Sensitivity,
)

STATIC = Recipe(id="int8_static", method="int8_static", calibration_samples=100)
SELECTIVE = replace(STATIC, id="int8_static_selective", left_in_float=("stem",))
DYNAMIC = Recipe(id="int8_dynamic", method="int8_dynamic")


def row(recipe: Recipe, high: float = 1.0, agreement: float = 0.99) -> Candidate:
    accuracy = Accuracy(
        metric="accuracy",
        split="search",
        samples=300,
        value=0.9,
        drop_points=Estimate(value=high / 2, low=0.0, high=high),
        gate="undecided",
        agreement=agreement,
        right_to_wrong=2,
        wrong_to_right=1,
        mcnemar_p=1.0,
    )
    return Candidate(
        id=recipe.id,
        recipe=recipe,
        status="measured",
        sha256="0" * 64,
        accuracy=accuracy,
        search_accuracy=accuracy,
    )


def block(name: str, error: float, float_ms: float = 1.0, int8_ms: float = 0.4) -> BlockCost:
    return BlockCost(
        name=name,
        op_type="Conv",
        nodes=(name, f"{name}_act"),
        weight_bytes=1000,
        sqnr_db=30.0,
        output_error=error,
        float_ms=float_ms,
        int8_ms=int8_ms,
    )


BLOCKS = Sensitivity(
    recipe="int8_static",
    samples=16,
    blocks=(block("a", 0.6), block("b", 0.02, 0.2, 0.9), block("c", 0.3), block("d", 0.08)),
)


@pytest.fixture
def cnn(profile: Callable[..., ModelProfile]) -> ModelProfile:
    return profile("cnn")


def test_the_most_accurate_is_refined_and_the_earlier_where_two_tie(cnn: ModelProfile) -> None:
    rows = [row(STATIC, 2.0), row(SELECTIVE, 1.0), row(replace(STATIC, id="late"), 1.0)]
    assert best_of(rows, "int8_static") == rows[1]
    assert [recipe.id for recipe in refine("ranges", rows, cnn, None)] == [
        "int8_static_selective_percentile",
        "int8_static_selective_entropy",
        "int8_static_selective_mse",
    ]
    assert best_of(rows, "int8_dynamic") is None
    failed = Candidate(id="x", recipe=DYNAMIC, status="failed", reason="It does not load.")
    assert best_of([failed], "int8_dynamic") is None
    assert accuracy_order(rows[1]) < accuracy_order(rows[0]) < accuracy_order(failed)


def test_of_equal_drops_the_one_that_changes_fewer_answers_is_better() -> None:
    rows = [row(STATIC, 1.0, 0.97), row(SELECTIVE, 1.0, 0.99)]
    assert best_of(rows, "int8_static") == rows[1]


def test_each_stage_builds_on_the_best_of_the_one_before(cnn: ModelProfile) -> None:
    rows = [row(STATIC, 3.0)]
    better = 2.5
    for stage in ACCURACY_STAGES:
        recipes = refine(stage, rows, cnn, BLOCKS)
        base = best_of(rows, "int8_static")
        assert base is not None
        assert all(recipe.id.startswith(base.id + "_") for recipe in recipes)
        rows += [row(recipe, better + 0.1 * place) for place, recipe in enumerate(recipes)]
        better -= 0.5
    best = best_of(rows, "int8_static")
    assert best is not None
    assert best.recipe.calibration == "percentile"
    assert best.recipe.correct_bias
    assert best.recipe.left_in_float


def test_nothing_is_proposed_twice(cnn: ModelProfile) -> None:
    rows = [row(STATIC)]
    rows += [row(recipe, 5.0) for recipe in refine("ranges", rows, cnn, None)]
    assert refine("ranges", rows, cnn, None) == ()
    left = replace(STATIC, id="other", left_in_float=("a", "a_act"), correct_bias=True)
    same = [row(left, 5.0), row(STATIC)]
    sensitivity = replace(BLOCKS, blocks=BLOCKS.blocks[:1])
    assert refine("selective", same, cnn, sensitivity) == ()


def test_what_costs_most_is_left_in_float_first(cnn: ModelProfile) -> None:
    few, more = refine("selective", [row(STATIC)], cnn, BLOCKS)
    assert few.left_in_float == ("a", "a_act")
    assert set(more.left_in_float) == {"a", "a_act", "c", "c_act"}
    assert few.correct_bias
    assert more.correct_bias


def test_what_is_slower_in_int8_is_left_in_float(cnn: ModelProfile) -> None:
    faster, plain, both = refine("faster", [row(SELECTIVE)], cnn, BLOCKS)
    assert faster.left_in_float == ("stem", "b", "b_act")
    assert [recipe.id for recipe in (faster, plain, both)] == [
        "int8_static_selective_faster",
        "int8_static_selective_per_tensor",
        "int8_static_selective_faster_per_tensor",
    ]
    quick = replace(BLOCKS, blocks=tuple(replace(b, int8_ms=0.1) for b in BLOCKS.blocks))
    assert all(not recipe.per_channel for recipe in refine("faster", [row(STATIC)], cnn, quick))
    # As a product the slow one is faster than in FP32.
    mended = (replace(b, im2col_ms=0.1 if b.name == "b" else None) for b in BLOCKS.blocks)
    recipes = refine("faster", [row(STATIC)], cnn, replace(BLOCKS, blocks=tuple(mended)))
    assert not any(recipe.left_in_float for recipe in recipes)


def test_recipes_of_the_same_accuracy_are_all_made_faster(cnn: ModelProfile) -> None:
    rows = [row(STATIC), row(SELECTIVE), row(replace(STATIC, id="worse"), 3.0)]
    quick = replace(BLOCKS, blocks=())
    plain = refine("faster", rows, cnn, quick)
    assert [recipe.id for recipe in plain] == [
        "int8_static_per_tensor",
        "int8_static_selective_per_tensor",
    ]
    assert not any(recipe.per_channel for recipe in plain)


def test_convolutions_that_are_faster_as_products_run_as_such(cnn: ModelProfile) -> None:
    times = {"a": 0.2, "b": None, "c": 0.39, "d": 0.3}
    timed = tuple(
        replace(each, float_ms=1.0, int8_ms=0.4, im2col_ms=times[each.name])
        for each in BLOCKS.blocks
    )
    left_d = replace(STATIC, id="left_d", left_in_float=("d", "d_act"))
    recipes = refine("faster", [row(STATIC), row(left_d)], cnn, replace(BLOCKS, blocks=timed))
    assert {recipe.id: recipe.im2col for recipe in recipes} == {
        "int8_static_im2col": ("a", "d"),  # not c: 2.5% is noise
        "left_d_im2col": ("a",),
        "int8_static_per_tensor_im2col": ("a", "d"),
        "left_d_per_tensor_im2col": ("a",),
    }
    assert recipes[0].note == "As matrix products 2 of its convolutions are faster."


def test_a_transformer_is_smoothed_and_a_cnn_has_its_bias_corrected(
    profile: Callable[..., ModelProfile],
) -> None:
    (smoothed,) = refine("corrections", [row(STATIC)], profile("transformer"), None)
    (corrected,) = refine("corrections", [row(STATIC)], profile("cnn"), None)
    assert smoothed.smooth == 0.5
    assert corrected.correct_bias


def test_channels_are_evened_out_where_a_single_scale_costs_accuracy(cnn: ModelProfile) -> None:
    coarse = replace(STATIC, id="per_tensor", per_channel=False)
    (equalized,) = refine("equalized", [row(STATIC), row(coarse, 2.0)], cnn, None)
    assert equalized.id == "per_tensor_equalized"
    assert equalized.equalize
    assert not equalized.per_channel
    assert refine("equalized", [row(STATIC), row(coarse, 1.0)], cnn, None) == ()
    assert refine("equalized", [row(STATIC)], cnn, None) == ()
    failed = Candidate(id=equalized.id, recipe=equalized, status="failed", reason="No pairs.")
    assert refine("equalized", [row(STATIC), row(coarse, 2.0), failed], cnn, None) == ()


def test_without_a_static_candidate_only_storage_is_left(cnn: ModelProfile) -> None:
    rows = [row(DYNAMIC)]
    for stage in ACCURACY_STAGES:
        assert refine(stage, rows, cnn, BLOCKS) == ()
    (stored,) = refine("storage", rows, cnn, None)
    assert stored.method == "int8_weight_only"
    assert refine("storage", [*rows, row(stored)], cnn, None) == ()
