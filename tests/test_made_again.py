"""What an evaluation keeps of a candidate is enough to make the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core import sandbox
from core.datasets import prepare
from core.example import DATA_PATH, MODEL_PATH
from core.intake import profile_model
from core.measurement import fingerprint
from core.quantization import make_candidate, plan_recipes
from core.records import Deployment, Recipe, from_json, to_json
from tests.command import Run

FIXTURES = Path(__file__).parent / "fixtures"
SEED = 5


def test_every_candidate_of_an_evaluation(example_run: Run, tmp_path: Path) -> None:
    evaluation = example_run.evaluation
    rows = [row for row in evaluation.candidates[1:] if row.sha256]
    assert {row.recipe.method for row in rows} == {"float16", "int8_dynamic", "int8_static"}

    profile = sandbox.call(profile_model, MODEL_PATH)
    how = evaluation.dataset.preprocessing
    prepared = sandbox.call(
        prepare, DATA_PATH, profile, how, tmp_path / "prepared", evaluation.seed
    )
    assert prepared.profile == evaluation.dataset
    assert prepared.profile.splits.confirm > 0
    for row in rows:
        recipe = from_json(Recipe, to_json(row.recipe))
        target = tmp_path / f"{row.id}.onnx"
        made = sandbox.call(
            make_candidate, MODEL_PATH, recipe, prepared, target, evaluation.seed, Deployment()
        )
        assert (row.id, made.sha256) == (row.id, row.sha256)


@pytest.mark.parametrize(
    ("model", "data", "left"),
    [
        ("lstm_japanese_vowels", "vowels", ()),
        ("transformer_digits", "tokens", ("node_MatMul_24", "node_MatMul_93")),
    ],
    ids=["lstm", "transformer, selective"],
)
def test_dynamic_candidates_of_other_families_are_byte_identical(
    model: str, data: str, left: tuple[str, ...], tmp_path: Path
) -> None:
    source, deployment = FIXTURES / f"{model}.onnx", Deployment()
    machine = fingerprint(deployment)
    made = []
    for number in range(2):
        folder = tmp_path / str(number)
        profile = sandbox.call(profile_model, source)
        prepared = sandbox.call(
            prepare, FIXTURES / f"{data}.npz", profile, None, folder / "prepared", SEED
        )
        recipe, *_variants = sandbox.call(
            plan_recipes,
            *(source, profile, machine.flags, machine.architecture, ("int8_dynamic",)),
            prepared.profile.splits.calibration,
        )
        target = folder / "candidate.onnx"
        recipe = replace(recipe, left_in_float=left)
        sandbox.call(make_candidate, source, recipe, prepared, target, SEED, deployment)
        made.append(target.read_bytes())
    assert made[0] == made[1]
