"""The search on a real model with real samples, against answers that no candidate keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import sandbox, steps, trials
from core.bench import Baseline, Bench
from core.datasets import prepare
from core.decision import guide
from core.intake import profile_model
from core.journal import Journal, PlannedStep
from core.protocol import MOST_TIMED
from core.records import Candidate, Policy, Progress, Recipe, Request
from core.search import Search
from tests.fixtures.broken import example_arrays

MODEL = Path(__file__).parent / "fixtures" / "se_cnn_digits.onnx"
POLICY = Policy(max_drop_points=2.0)


def quiet(_fraction: float, _words: str) -> None:
    return None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("search")
    inputs, labels = example_arrays()
    np.savez(folder / "all.npz", input=inputs, labels=labels)
    profile = sandbox.call(profile_model, MODEL)
    prepared = sandbox.call(
        prepare, folder / "all.npz", profile, None, folder / "prepared", 0, report=quiet
    )
    return Bench(MODEL, profile, prepared, Request(policy=POLICY, effort="quick"), folder)


@pytest.fixture(scope="module")
def baseline(bench: Bench) -> Baseline:
    return steps.measure_baseline(bench, quiet)


class Told:
    """Remembers what the search announced, and what its journal did."""

    def __init__(self) -> None:
        self.recipes: list[Recipe] = []
        self.planned: list[str] = []
        self.seen: list[str] = []

    def __call__(self, recipes: Sequence[Recipe], planned: Sequence[PlannedStep]) -> None:
        self.recipes = list(recipes)
        self.planned = [step.name for step in planned]

    def publish(self, progress: Progress) -> None:
        for step in progress.steps:
            if step.state != "waiting" and step.name not in self.seen:
                self.seen.append(step.name)


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def demanding(bench: Bench, baseline: Baseline) -> Baseline:
    """As if the baseline had answered all of *search* rightly: every recipe loses some answers."""
    right = tuple(steps.labels_of(bench, "search"))
    wrong = sum(a != b for a, b in zip(right, baseline.search.classes, strict=True))
    assert 0 < wrong < 0.02 * len(right)
    return replace(baseline, search=replace(baseline.search, classes=right))


@pytest.fixture(scope="module")
def searched(bench: Bench, demanding: Baseline, told: Told) -> Search:
    found = Search(bench, demanding, guide(bench.profile), Journal(told.publish), told)
    found.run(steps.list_recipes(bench), refining=True)
    return found


def made(rows: Sequence[Candidate]) -> list[Candidate]:
    return [row for row in rows if row.file is not None]


def test_every_stage_is_tried_where_nothing_is_safe(searched: Search, told: Told) -> None:
    assert searched.safe == frozenset()
    recipes = [row.recipe for row in searched.rows]
    assert {recipe.calibration for recipe in recipes} == {"minmax", "percentile", "entropy", "mse"}
    assert any(recipe.correct_bias for recipe in recipes)
    assert any(recipe.method == "int8_weight_only" for recipe in recipes)
    assert searched.sensitivity is not None
    assert [recipe.id for recipe in recipes] == [recipe.id for recipe in told.recipes]
    assert len(set(told.planned)) == len(told.planned)
    assert {f"make:{recipe.id}" for recipe in recipes} <= set(told.planned)
    assert {"blocks", "make:int8_static"} <= set(told.planned)


def test_what_does_not_go_on_is_a_row_with_its_reason(searched: Search) -> None:
    aside = [row for row in searched.rows if row.status != "measured"]
    assert aside
    assert all(row.reason.endswith(".") for row in aside)
    first_look = [row for row in aside if row.reason.startswith("Set aside after")]
    search_split = searched.rows[0].search_accuracy
    assert search_split is not None
    assert first_look
    for row in first_look:
        assert row.search_accuracy is not None
        assert row.search_accuracy.samples < search_split.samples


def test_only_the_most_promising_are_timed_in_full(searched: Search, bench: Bench) -> None:
    before = {row.id for row in made(searched.rows)}
    assert len(before) > MOST_TIMED
    finalists = made(searched.finalists())
    assert 0 < len(finalists) <= MOST_TIMED
    assert all(row.search_speedup is not None for row in finalists)
    assert {row.recipe.method for row in finalists} >= {"float16", "int8_static", "int8_dynamic"}
    assert all(bench.path_of(row.id).exists() for row in finalists)
    assert not any(bench.path_of(name).exists() for name in before - {r.id for r in finalists})
    assert len(searched.rows) == len({row.id for row in searched.rows}) > len(before) / 2


def test_where_no_answer_changes_there_is_nothing_to_mend(bench: Bench, baseline: Baseline) -> None:
    told = Told()
    found = Search(bench, baseline, guide(bench.profile), Journal(told.publish), told)
    static = next(r for r in steps.list_recipes(bench) if r.id == "int8_static")
    found.run([static], refining=True)
    accuracy = found.rows[0].search_accuracy
    assert accuracy is not None
    assert accuracy.agreement == 1
    assert not any(row.recipe.calibration != "minmax" for row in found.rows)


def test_a_file_that_is_gone_is_made_again_as_it_was(searched: Search, bench: Bench) -> None:
    row = made(searched.finalists())[0]
    before = bench.path_of(row.id).read_bytes()
    bench.path_of(row.id).unlink()
    steps.write_missing(bench, [row], quiet)
    assert bench.path_of(row.id).read_bytes() == before


def test_without_time_what_was_listed_is_said_not_to_have_been_tried(
    bench: Bench, baseline: Baseline, told: Told
) -> None:
    late = iter([0.0])
    journal = Journal(told.publish, clock=lambda: next(late, 1e6))
    found = Search(bench, baseline, guide(bench.profile), journal, Told())
    found.run(steps.list_recipes(bench), refining=True)
    assert {row.reason for row in found.rows} == {trials.out_of_time(found.rows[0].recipe).reason}
    assert found.finalists() == found.rows


def test_a_lenient_policy_ends_the_search_early(bench: Bench, baseline: Baseline) -> None:
    request = replace(bench.request, policy=Policy(max_drop_points=20.0), methods=("int8_static",))
    lenient = replace(bench, request=request)
    told = Told()
    found = Search(lenient, baseline, guide(bench.profile), Journal(told.publish), told)
    found.run(steps.list_recipes(lenient)[:1], refining=True)
    assert "int8_static" in found.safe
    assert not any("percentile" in row.id for row in found.rows)
