from __future__ import annotations

import io
import zipfile
from pathlib import Path

from core.records import Evaluation, from_json
from core.report import to_html, write_bundle
from tests.command import Run


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
        assert archive.namelist() == [
            "evaluation.json",
            "report.html",
            *(name for name, _ in files),
        ]
        assert from_json(Evaluation, archive.read("evaluation.json")) == evaluation
        assert archive.read("report.html").decode() == to_html(evaluation, "Digits")
        for name, path in files:
            assert archive.read(name) == path.read_bytes()


def test_a_bundle_is_written_to_a_stream_as_well(example_run: Run) -> None:
    stream = io.BytesIO()
    write_bundle(stream, example_run.evaluation, "Digits", [])
    with zipfile.ZipFile(stream) as archive:
        assert archive.namelist() == ["evaluation.json", "report.html"]
