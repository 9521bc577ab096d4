"""Whatever people bring, ``evaluate`` answers with one sentence and leaves nothing behind."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.__main__ import main
from core.example import DATA_PATH, MODEL_PATH
from core.records import Evaluation, from_json
from tests.command import run_command
from tests.fixtures.broken import BAD_DATA, BAD_MODELS

SENTENCES = {
    "empty_file": "'empty.onnx' is empty: export or upload the model again.",
    "text_renamed": "'notes.onnx' is not an ONNX model: export the model to ONNX.",
    "truncated": "'truncated.onnx' is cut off or damaged: export or upload it again.",
    "custom_domain": "The model uses custom operators that onnxruntime does not have (SoftmaxPlus "
    "of 'com.example.ops'): export it with standard ONNX operators only.",
    "opset_99": r"The model uses opset 99 of ai.onnx, but onnxruntime VERSION supports up to opset "
    "NUMBER: export it with opset NUMBER or lower.",
    "fails_when_run": "The model cannot be run on these samples, so run it on one of them where it "
    'was exported and mend the export or the samples: onnxruntime says "WORDS".',
    "external_data_missing": "The model keeps its weights in 'cnn_external.onnx.data', which is "
    "missing: give both files together.",
    "external_data_outside": "The model keeps weights in '../../../../etc/passwd', but they must "
    "lie beside the .onnx file: export it with the weights in the same folder.",
    "zip_slip": "The zip cannot be used because '../../evil/0.png' has a path that leads out of "
    "the zip; zip the files anew.",
    "zip_bomb": "The zip unpacks to more than 200 times its own size, as harmful ones do "
    "('0/bomb.png'); zip only the files that are needed.",
    "huge_image": "The picture huge.png has more than 50 million pixels: at most 50 million and "
    "20,000 a side are read, so make it smaller first.",
    "pickled_objects": "The array input holds pickled Python objects, which are never loaded: save "
    "it as numbers (or its labels as text), without dtype=object.",
    "unknown_labels": "10 labels are out of range: 100, 101, 102 and 7 more; number them from 0 to "
    "9 as the model's outputs are, or add a classes.txt with one class name per line, in the order "
    "of the outputs.",
    "too_many_classes": "The data has 12 classes but the model has only 10 outputs: give the "
    "samples that belong to this model.",
    "three_samples": "Too few labelled samples, 3: at least 10 are needed to run, and to prove a "
    "drop below 1 point about 299 are the least that must be set aside, which is some 560 in all.",
    "one_class": "All samples are of one class, 0: give samples of at least two classes, or "
    "accuracy says nothing.",
}
WILDCARDS = {"VERSION": r"[\d.]+", "NUMBER": r"\d+", "WORDS": '[^"\n]+'}
VERDICTS = {"nan_weights", "nan_outputs", "already_int8", "float16_model"}
INNER_PARTS = re.compile(r"Traceback|\.(?:cc|cpp|h|py)\b|measure-first-|/tmp|\.work-")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the test's own, in which the lock is all that may stay."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert {path.name for path in folder.iterdir()} <= {"measure-first.lock"}
    assert [
        child for child in psutil.Process().children() if "core.sandbox" in child.cmdline()
    ] == []


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Writes a bad input; returns the model and the data to evaluate."""
    folder.mkdir()
    if name in BAD_MODELS:
        return BAD_MODELS[name](folder), DATA_PATH
    return MODEL_PATH, BAD_DATA[name](folder)


def test_every_bad_input_is_tried() -> None:
    assert SENTENCES.keys() | VERDICTS == BAD_MODELS.keys() | BAD_DATA.keys()


@pytest.mark.parametrize("name", SENTENCES)
def test_one_sentence_says_what_is_wrong_and_what_to_do(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = write(name, tmp_path / "given")
    given = set(tmp_path.rglob("*"))
    out = tmp_path / "out"

    code = main(["evaluate", str(model), "--data", str(data), "--out", str(out)])

    printed, sentence = capsys.readouterr()
    pattern = re.escape(SENTENCES[name])
    for word, meaning in WILDCARDS.items():
        pattern = pattern.replace(word, meaning)
    assert re.fullmatch(pattern + "\n", sentence), sentence
    assert (code, printed) == (2, "")
    assert not INNER_PARTS.search(sentence)
    new = set(tmp_path.rglob("*")) - given - {out}
    assert [path for path in new if path.name != "measure-first.lock"] == []


@pytest.mark.parametrize("name", ["truncated", "zip_slip"])
def test_a_process_of_its_own_says_the_same(name: str, tmp_path: Path) -> None:
    model, data = write(name, tmp_path / "given")
    done = run_command(
        "evaluate", model, "--data", data, "--out", tmp_path / "out", folder=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{SENTENCES[name]}\n")
    assert list((tmp_path / "cwd").iterdir()) == []


def verdict_on(name: str, data: Path, out: Path) -> tuple[int, Evaluation]:
    model, _ = write(name, out.parent / "given")
    code = main(
        ["evaluate", str(model), "--data", str(data), "--out", str(out), "--effort", "quick"]
    )
    return code, from_json(Evaluation, (out / "evaluation.json").read_bytes())


def test_outputs_that_are_no_numbers_are_no_evidence(
    tmp_path: Path, few_samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, evaluation = verdict_on("nan_outputs", few_samples, tmp_path / "out")

    assert code == 3
    assert evaluation.verdict.outcome == "not_enough_evidence"
    assert "outputs contain NaN or infinite values" in evaluation.verdict.sentence
    assert "check that the model gives finite scores" in evaluation.verdict.sentence
    assert evaluation.verdict.next_steps
    (baseline,) = evaluation.candidates
    assert baseline.latency is not None
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert printed.startswith(evaluation.verdict.sentence)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["evaluation.json"]


def test_a_model_that_is_small_already_is_not_worth_it(
    tmp_path: Path, few_samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for name in ("models", "raw"):
        (out / name).mkdir(parents=True)
        (out / name / "mine").write_text("the user's own, in a folder of the same name")

    code, evaluation = verdict_on("float16_model", few_samples, out)

    assert code == 1
    assert evaluation.verdict.outcome == "not_worth_it"
    assert "FP16 already" in evaluation.verdict.sentence
    assert "give the FP32 original" in evaluation.verdict.sentence
    (baseline,) = evaluation.candidates
    assert baseline.latency is not None
    assert baseline.cold_start_ms is not None
    assert capsys.readouterr().err == ""
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        *("evaluation.json", "models/mine", "raw/latency.parquet", "raw/mine"),
    ]
