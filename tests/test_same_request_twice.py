"""The same request, asked twice in fresh processes, is answered twice alike apart from timing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import sandbox
from core.datasets import prepare
from core.intake import profile_model
from core.measurement import fingerprint
from core.quantization import make_candidate, plan_recipes
from core.records import Candidate, Deployment, to_plain
from tests.command import Run, run_example

FIXTURES = Path(__file__).parent / "fixtures"
SEED = 5
TIMED = ("latency", "cold_start_ms", "peak_rss_bytes", "search_speedup")
CHOSEN = ("accuracy", "calibration_draws")
"""What is measured only of the candidate that the timing chose."""


@pytest.fixture(scope="module")
def again(example_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The request of ``example_run`` once more, in a process of its own."""
    folder = tmp_path_factory.mktemp("again")
    run_example(folder)
    return Run(folder)


def plain(run: Run) -> dict[str, Any]:
    """An evaluation without what was timed, and without what differs from one to the next."""
    document: dict[str, Any] = to_plain(run.evaluation)
    for name in ("id", "created", "aa_check", "sweep", "verdict", "front", "sensitivity"):
        document.pop(name)
    for name in ("noise", "findings"):
        document["machine"].pop(name)
    # What is made faster, and with which kernels, is a matter of timing.
    made_faster = ("faster", "per_tensor", "im2col")
    document["candidates"] = [
        row for row in document["candidates"] if not any(word in row["id"] for word in made_faster)
    ]
    for candidate in document["candidates"]:
        left_out = (*TIMED, *CHOSEN)
        if candidate["status"] == "measured" or "at least as fast" in candidate["reason"]:
            # Which of them are timed in full is a matter of timing too.
            left_out = (*left_out, "status", "reason", "file")
        for name in left_out:
            candidate.pop(name)
    return document


def chosen(run: Run) -> dict[str, Candidate]:
    """The candidates that were gated on confirm."""
    rows = run.evaluation.candidates
    return {row.id: row for row in rows if row.accuracy and row.accuracy.split == "confirm"}


def test_candidates_of_all_methods_are_byte_identical(example_run: Run, again: Run) -> None:
    methods = {"float16", "int8_dynamic", "int8_static"}
    first, second = (
        {path.name: path.read_bytes() for path in (run.out / "models").iterdir()}
        for run in (example_run, again)
    )
    both = first.keys() & second.keys()
    assert both >= {f"{method}.onnx" for method in methods}
    assert all(first[name] == second[name] for name in both)


def test_splits_accuracy_and_all_else_that_is_not_timed_are_equal(
    example_run: Run, again: Run
) -> None:
    first, second = plain(example_run), plain(again)
    assert first["dataset"]["splits"]["confirm"] > 0
    assert all(row["search_accuracy"]["agreement"] > 0.5 for row in first["candidates"])
    assert first == second
    # Two candidates that tie are told apart by their timing; the same one is gated alike.
    before, after = chosen(example_run), chosen(again)
    for name in before.keys() & after.keys():
        assert before[name].accuracy == after[name].accuracy
        assert before[name].calibration_draws == after[name].calibration_draws


def test_the_verdict_is_the_same(example_run: Run, again: Run) -> None:
    for run in (example_run, again):
        # Where the machine was too busy to tell the baseline from itself, that is the verdict.
        aa_check = run.evaluation.aa_check
        assert aa_check is not None
        same = {"ship", "quantize_selectively"} if aa_check.passed else {"not_enough_evidence"}
        assert run.evaluation.verdict.outcome in same


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
