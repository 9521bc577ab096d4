"""``python -m core`` as scripts and CI gates use it: exit codes, files, and what is printed."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from pathlib import Path

import psutil
import pyarrow.parquet as parquet
import pytest

from core.__main__ import main
from core.example import DATA_PATH, MODEL_PATH
from core.headless import summary
from core.records import to_plain
from tests.command import Run, command, environment, run_command
from tests.jobs.conftest import is_alive, wait_until

EXIT_CODES = {
    "ship": 0,
    "ship_for_size": 0,
    "quantize_selectively": 0,
    "try_fp16": 0,
    "not_worth_it": 1,
    "not_enough_evidence": 3,
}


def test_the_exit_code_says_the_outcome(example_run: Run) -> None:
    assert example_run.code == EXIT_CODES[example_run.evaluation.verdict.outcome]
    assert example_run.errors == ""


def test_every_method_that_makes_sense_is_tried(example_run: Run) -> None:
    baseline, *candidates = example_run.evaluation.candidates
    assert (baseline.id, baseline.recipe.method) == ("baseline", "none")
    assert {row.recipe.method for row in candidates} == {"float16", "int8_dynamic", "int8_static"}


def test_the_results_are_the_files_that_evaluation_json_names(example_run: Run) -> None:
    out = example_run.out
    made = [row for row in example_run.evaluation.candidates if row.file is not None]
    for row in made:
        content = (out / str(row.file)).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (row.sha256, row.size_bytes)
    assert sorted(path.name for path in (out / "models").iterdir()) == sorted(
        f"{row.id}.onnx" for row in made
    )
    assert {path.name for path in out.iterdir()} == {"evaluation.json", "models", "raw"}
    baseline = hashlib.sha256(MODEL_PATH.read_bytes()).hexdigest()
    assert example_run.evaluation.candidates[0].sha256 == baseline


def test_every_timed_run_is_kept(example_run: Run) -> None:
    confirmed = example_run.evaluation.verdict.candidate
    files = {path.stem for path in (example_run.out / "raw").iterdir()}
    assert files >= ({"latency", "confirm"} if confirmed else {"latency"})
    table = parquet.read_table(example_run.out / "raw" / "latency.parquet").to_pandas()
    timed = set(table["model"])
    assert timed >= {row.id for row in example_run.evaluation.candidates if row.latency}


def test_json_is_printed_as_it_is_written(example_run: Run) -> None:
    assert example_run.printed == (example_run.out / "evaluation.json").read_text("utf-8")


def test_the_summary_has_the_verdict_and_a_row_for_each_candidate(example_run: Run) -> None:
    lines = summary(example_run.evaluation).splitlines()
    assert lines[0] == example_run.evaluation.verdict.sentence
    ids = [row.id for row in example_run.evaluation.candidates]
    assert [words[0] for line in lines if (words := line.split()) and words[0] in ids] == ids


def test_no_command_leaves_files_where_it_was_started(example_run: Run, tmp_path: Path) -> None:
    assert list(example_run.cwd.iterdir()) == []

    inspected = run_command("inspect", MODEL_PATH, folder=tmp_path)
    examined = run_command("doctor", folder=tmp_path)

    assert (inspected.returncode, inspected.stderr) == (0, "")
    document = json.loads(inspected.stdout)
    assert document["model"] == to_plain(example_run.evaluation.model)
    assert document["guidance"] == to_plain(example_run.evaluation.guidance)
    assert (examined.returncode, examined.stderr) == (0, "")
    checks = [line.split()[:2] for line in examined.stdout.splitlines()]
    assert checks[:5] == [
        ["ok", f"{name}:"] for name in ("python", "sandbox", "database", "store", "disk")
    ]
    assert list((tmp_path / "cwd").iterdir()) == []


def test_doctor_says_what_to_mend(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    examined = run_command("doctor", folder=tmp_path)
    assert examined.returncode == 1
    assert "MEND  store:" in examined.stdout
    assert "Traceback" not in examined.stdout + examined.stderr


def test_a_model_compared_with_itself(tmp_path: Path, few_samples: Path) -> None:
    done = run_command(
        "compare",
        MODEL_PATH,
        MODEL_PATH,
        "--data",
        few_samples,
        "--effort",
        "quick",
        folder=tmp_path,
    )

    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    speedup, aa = document["speedup"], document["aa"]
    assert 0.8 < speedup["ratio"] < 1.25
    assert speedup["low"] <= speedup["ratio"] <= speedup["high"]
    assert 0.8 < document["p50_ms"]["a"] / document["p50_ms"]["b"] < 1.25
    assert aa["low"] <= aa["ratio"] <= aa["high"]
    assert isinstance(aa["passed"], bool)
    assert document["agreement"] == 1.0
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["quantize"],
        ["evaluate"],
        ["evaluate", "m.onnx", "--out", "out"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--max-drop", "little"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--max-drop", "0"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--min-speedup", "inf"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--expected-accuracy", "120"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--threads", "0"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--seed", "-1"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--effort", "some"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--methods", "int4"],
        ["evaluate", "m.onnx", "--data", "d", "--out", "out", "--task", "detection"],
        ["compare", "a.onnx"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_understood(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert "error: " in last
    assert not any(name in last for name in ("_positive", "_percent"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"--preprocessing": "imagenet"},
            "There is no preset imagenet: choose one of imagenet_torchvision, imagenet_timm, "
            "keras_minus1_1, zero_one, zero_255.",
        ),
        ({"--data": "nowhere.zip"}, "There is no dataset nowhere.zip: check the path."),
        ({"model": "nowhere.onnx"}, "There is no file or folder 'nowhere.onnx': check the path."),
        (
            {"--out": str(DATA_PATH)},
            f"Nothing can be written to '{DATA_PATH}': give a folder of your own with --out.",
        ),
    ],
    ids=["preset", "data", "model", "out"],
)
def test_an_argument_that_cannot_be_used(
    changes: dict[str, str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"model": str(MODEL_PATH), "--data": str(DATA_PATH), "--out": str(tmp_path)} | changes
    model = given.pop("model")
    options = [word for pair in given.items() for word in pair]
    assert main(["evaluate", model, *options]) == 2
    assert capsys.readouterr() == ("", f"{sentence}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminate"])
def test_whoever_stops_it_stops_all_of_it(number: signal.Signals, tmp_path: Path) -> None:
    # A temporary folder of its own, and with it a lock that nobody else holds.
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("evaluate", MODEL_PATH, "--data", DATA_PATH, "--out", out),
        cwd=tmp_path,
        env={**environment(tmp_path), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        parent = psutil.Process(process.pid)
        wait_until((temporary / "measure-first.lock").exists, "the model has been read")
        children = wait_until(lambda: parent.children(recursive=True), "a child works")
        process.send_signal(number)
        printed, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, printed, errors) == (4, "", "Cancelled.\n")
    assert [child.pid for child in children if is_alive(child.pid)] == []
    assert list(out.iterdir()) == []
    assert [path.name for path in temporary.iterdir()] == ["measure-first.lock"]
