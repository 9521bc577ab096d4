"""Evaluations through the queue: the real engine, a real worker, one bad input after another."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.example import DATA_PATH, MODEL_PATH
from core.jobs import list_jobs, submit
from core.records import Request
from core.storage import create_draft, update_draft
from tests.command import ROOT, command, environment
from tests.fixtures import broken
from tests.jobs.conftest import House, new_house, wait_until


def submitted(house: House, name: str, model: Path, data: Path) -> str:
    put = house.storage.files.put
    id = create_draft(house.storage, name=name)
    with model.open("rb") as model_file, data.open("rb") as data_file:
        update_draft(
            house.storage,
            id,
            model_files=[put(model_file, model.name)],
            data_files=[put(data_file, data.name)],
            request=Request(effort="quick"),
        )
    submit(house.storage, id)
    return id


def test_evaluations_that_fail_leave_the_next_one_alone(
    tmp_path: Path, few_samples: Path, request: pytest.FixtureRequest
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    with new_house("sqlite", request, tmp_path) as house:
        failing = [
            submitted(house, "truncated", broken.truncated(given), DATA_PATH),
            submitted(house, "fails when run", broken.fails_when_run(given), few_samples),
            submitted(house, "bomb", MODEL_PATH, broken.zip_bomb(given)),
        ]
        good = submitted(house, "small already", broken.already_int8(given), few_samples)
        worker = subprocess.Popen(command("worker"), cwd=ROOT, env=environment(tmp_path))
        house.processes.append(worker)

        wait_until(lambda: not list_jobs(house.storage), "all have ended", seconds=300)

        stored = [house.get(id) for id in failing]
        assert [evaluation.status for evaluation in stored] == ["failed"] * 3
        assert stored[0].error == (
            "'truncated.onnx' is cut off or damaged: export or upload it again."
        )
        assert (stored[1].error or "").startswith("The model cannot be run on these samples, ")
        assert (stored[2].error or "").startswith("The zip unpacks to more than 200 times ")
        assert {evaluation.attempts for evaluation in stored} <= {0, 1}
        done = house.get(good)
        assert (done.status, done.error) == ("finished", None)
        assert done.result is not None
        assert done.result.verdict.outcome == "not_worth_it"
        assert "quantized to INT8 already" in done.result.verdict.sentence
        assert "raw/latency.parquet" in [file.name for file in done.output_files]
        assert worker.poll() is None
        work = house.storage.settings.work
        wait_until(lambda: not [path for path in work.iterdir() if path.is_dir()], "it is tidy")
