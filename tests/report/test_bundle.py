from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from core.records import Evaluation, Recipe, from_json, from_plain, to_plain
from core.report import to_html, write_bundle
from tests.command import Run
from tests.pages.searched import searched

SCHEMA = Path(__file__).parents[1] / "evaluation.schema.json"


def test_the_bundle_has_the_record_the_report_and_the_files(
    example_run: Run, tmp_path: Path
) -> None:
    evaluation = example_run.evaluation
    made = [row for row in evaluation.candidates if row.file is not None]
    files = [(str(row.file), example_run.out / str(row.file)) for row in made]
    target = tmp_path / "bundle.zip"

    write_bundle(target, evaluation, "Digits", files)

    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        recipes = {f"recipes/{row.id}.json": row.recipe for row in evaluation.candidates[1:]}
        assert archive.namelist() == [
            "evaluation.json",
            "report.html",
            *recipes,
            *(name for name, _ in files),
        ]
        for name, recipe in recipes.items():
            assert from_json(Recipe, archive.read(name)) == recipe
        assert from_json(Evaluation, archive.read("evaluation.json")) == evaluation
        assert archive.read("report.html").decode() == to_html(evaluation, "Digits")
        for name, path in files:
            assert archive.read(name) == path.read_bytes()


def test_a_bundle_is_written_to_a_stream_as_well(example_run: Run) -> None:
    stream = io.BytesIO()
    write_bundle(stream, example_run.evaluation, "Digits", [])
    with zipfile.ZipFile(stream) as archive:
        assert archive.namelist()[:2] == ["evaluation.json", "report.html"]
        assert archive.testzip() is None


def test_the_record_of_a_long_search_keeps_the_contract(example_run: Run) -> None:
    evaluation = searched(example_run.evaluation)
    stream = io.BytesIO()
    write_bundle(stream, evaluation, "Digits", [])
    with zipfile.ZipFile(stream) as archive:
        written = json.loads(archive.read("evaluation.json"))
        for row in evaluation.candidates[1:]:
            assert from_json(Recipe, archive.read(f"recipes/{row.id}.json")) == row.recipe
    check = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate
    check(written)
    assert from_plain(Evaluation, written) == evaluation
    written["sensitivity"]["blocks"][0]["output_error"] = -1.0
    with pytest.raises(ValidationError):
        check(written)


def test_a_record_from_before_there_was_a_search_is_read(example_run: Run) -> None:
    written = to_plain(example_run.evaluation)
    for key in ("sensitivity", "front"):
        del written[key]
    for row in written["candidates"]:
        del row["search_speedup"]
        for key in ("percentile", "fuse", "equalize", "smooth", "correct_bias", "block_size"):
            del row["recipe"][key]
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(written)
    read = from_plain(Evaluation, written)
    assert read.front == ()
    assert [row.id for row in read.candidates] == [
        row.id for row in example_run.evaluation.candidates
    ]
