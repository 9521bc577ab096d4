"""The last steps on a real model and real samples: one gate for all, other calibration draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import confirm, sandbox, steps, trials
from core.accuracy import paired_accuracy, shares_samples
from core.bench import BASELINE, Baseline, Bench
from core.datasets import prepare
from core.example import MODEL_PATH
from core.intake import profile_model
from core.measurement import LatencyResult
from core.records import AACheck, Candidate, Noise, Policy, Recipe, Request
from tests.fixtures.broken import example_arrays

SAMPLES = 270
"""Too few to set 149 aside for the last check, and enough for one check of all candidates."""
POLICY = Policy(max_drop_points=2.0)


def quiet(_fraction: float, _words: str) -> None:
    return None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("confirm")
    inputs, labels = example_arrays()
    chosen = np.random.default_rng(0).permutation(len(labels))[:SAMPLES]
    np.savez(folder / "some.npz", input=inputs[chosen], labels=labels[chosen])
    profile = sandbox.call(profile_model, MODEL_PATH)
    prepared = sandbox.call(
        prepare, folder / "some.npz", profile, None, folder / "prepared", 0, report=quiet
    )
    request = Request(policy=POLICY, effort="quick", methods=("float16", "int8_static"))
    return Bench(MODEL_PATH, profile, prepared, request, folder)


@pytest.fixture(scope="module")
def baseline(bench: Bench) -> Baseline:
    answers = [
        steps.answers_of(bench, bench.model, split, quiet) for split in ("search", "confirm")
    ]
    aa_check = AACheck(ratio=1.0, low=0.99, high=1.01, passed=True)
    latency = LatencyResult(latencies={}, aa_check=aa_check, noise=Noise(), findings=())
    return Baseline(*answers, (), latency)


@pytest.fixture(scope="module")
def candidates(bench: Bench, baseline: Baseline) -> list[Candidate]:
    recipes = [recipe for recipe in steps.list_recipes(bench) if not recipe.left_in_float]
    made = [
        trials.try_recipe(bench, recipe, baseline, 50, True, quiet).candidate for recipe in recipes
    ]
    return [steps.baseline_candidate(bench, baseline), *made]


def test_few_samples_are_shared_by_all_candidates(
    bench: Bench, baseline: Baseline, candidates: list[Candidate]
) -> None:
    splits = bench.prepared.profile.splits
    made = confirm.count_made(candidates)
    assert made == len(candidates) - 1 == 2
    assert shares_samples(splits, POLICY, made)

    gate = confirm.gate_on_all(bench, candidates, baseline, quiet)

    assert gate.candidates.keys() == {row.id for row in confirm.in_the_running(candidates)}
    for row in (confirm.with_shared_gate(row, gate) for row in candidates):
        assert row.accuracy is not None
        assert row.accuracy.split == "search+confirm"
        assert row.accuracy.samples == splits.search + splits.confirm
        # What was found on search stays beside it.
        assert row.search_accuracy is not None
        assert row.search_accuracy.samples == splits.search
    levels = {found.confidence for found in gate.candidates.values()}
    assert max(levels) == pytest.approx(1 - 0.05 / made)
    assert gate.candidates["float16"].gate == "pass"


def test_other_draws_are_gated_on_the_same_samples(bench: Bench, baseline: Baseline) -> None:
    recipe = next(r for r in steps.list_recipes(bench) if r.id == "int8_static")
    assert confirm.can_redraw(recipe)
    assert not confirm.can_redraw(replace(recipe, calibration_samples=1))
    assert not confirm.can_redraw(BASELINE)

    draws = confirm.redraw_calibration(bench, recipe, baseline, confirm.CONFIRM, quiet)

    assert len(draws) == confirm.CALIBRATION_DRAWS
    # The first draw once more, step by step.
    half = replace(recipe, id="half", calibration_samples=recipe.calibration_samples // 2)
    again = replace(bench, request=replace(bench.request, seed=bench.request.seed + 1))
    steps.write_candidate(again, half, quiet)
    answers = steps.answers_of(bench, bench.path_of("half"), "confirm", quiet)
    expected = paired_accuracy(
        steps.labels_of(bench, "confirm"),
        baseline.confirm.classes,
        answers.classes,
        split="confirm",
        threshold_points=POLICY.max_drop_points,
        confidence=POLICY.confidence,
    )
    assert draws[0] == expected.drop_points
    assert bench.path_of("half").read_bytes() != (bench.path_of("int8_static")).read_bytes()


def test_a_draw_that_cannot_be_made_decides_nothing(bench: Bench, baseline: Baseline) -> None:
    impossible = Recipe(
        id="nothing", method="int8_static", calibration_samples=20, op_types=("LSTM",)
    )
    assert confirm.redraw_calibration(bench, impossible, baseline, confirm.CONFIRM, quiet) == ()
    assert not Path(bench.folder / "draws" / "candidate.onnx").exists()
