"""An evaluation that does in each step what its data file says, and keeps a diary of it."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from core.journal import Journal, PlannedStep
from core.records import (
    BadInput,
    Candidate,
    DatasetProfile,
    Deployment,
    Evaluation,
    Finding,
    Guidance,
    Machine,
    ModelProfile,
    Policy,
    Recipe,
    Report,
    Request,
    Splits,
    TensorInfo,
    Verdict,
)
from core.sandbox import call


def evaluate(
    *,
    id: str,
    created: str,
    model: Path,
    data: Path,
    request: Request,
    folder: Path,
    journal: Journal,
) -> Evaluation:
    """Runs the steps in the data file, each ``{"name": ...}`` and what else :func:`_do` knows."""
    script: list[dict[str, Any]] = json.loads(data.read_text())
    diary = Path(script[0]["diary"])
    journal.plan([PlannedStep(step["name"], step["name"].title(), 1.0) for step in script])
    findings = []
    for step in script:
        findings.append(
            journal.step(
                step["name"], Finding, lambda report, step=step: _do(step, diary, folder, report)
            )
        )
    note(diary, f"elapsed {journal.elapsed_s}")
    return sample_evaluation(id, created, request, tuple(findings), model.read_bytes())


def _do(step: dict[str, Any], diary: Path, folder: Path, report: Report) -> Finding:
    note(diary, f"begin {step['name']} {os.getpid()}")
    if "wait_for" in step:
        call(wait_for, Path(step["wait_for"]), diary, report=report)
    if "seconds" in step:
        threading.Event().wait(step["seconds"])
    if "crash" in step:
        call(crash)
    if "bad_input" in step:
        raise BadInput(step["bad_input"])
    if "raise" in step:
        raise ZeroDivisionError(step["raise"])
    if "die" in step:
        os.kill(os.getpid(), signal.SIGKILL)
    for name in ("models/int8_static.onnx", "raw/latency.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    note(diary, f"end {step['name']}")
    return Finding(severity="info", code=step["name"], sentence="Done.")


def wait_for(gate: Path, diary: Path, report: Report) -> None:
    """In the child: waits until a file exists."""
    note(diary, f"child {os.getpid()}")
    report(0.5, "Waiting at the gate")
    while not gate.exists():
        threading.Event().wait(0.02)


def crash() -> None:
    """In the child: ends as a library does that meets a file it cannot bear."""
    os.abort()


def note(diary: Path, line: str) -> None:
    with diary.open("a") as stream:
        stream.write(line + "\n")


def sample_evaluation(
    id: str,
    created: str,
    request: Request,
    findings: tuple[Finding, ...] = (),
    content: bytes = b"",
) -> Evaluation:
    """A small but whole record."""
    baseline = Recipe(id="baseline", method="none")
    static = Recipe(id="int8_static", method="int8_static")
    return Evaluation(
        id=id,
        created=created,
        seed=request.seed,
        effort=request.effort,
        model=sample_model(len(content), findings),
        dataset=sample_dataset(),
        machine=Machine(
            cpu_model="A CPU",
            architecture="x86_64",
            flags=("avx2",),
            cores=2,
            cpu_quota=None,
            governor=None,
            ram_bytes=8_000_000_000,
            os="Linux",
            libraries={},
            session_options={},
        ),
        deployment=Deployment(),
        policy=Policy(),
        guidance=Guidance(method="int8_static", reasons=("It is a CNN.",)),
        candidates=(
            Candidate(id="baseline", recipe=baseline, status="measured"),
            Candidate(
                id="int8_static",
                recipe=static,
                status="measured",
                file="models/int8_static.onnx",
            ),
        ),
        aa_check=None,
        verdict=Verdict(
            outcome="ship",
            candidate="int8_static",
            sentence="Ship it.",
            reasons=(),
            next_steps=(),
            would_change=(),
        ),
    )


def sample_model(size_bytes: int = 1000, findings: tuple[Finding, ...] = ()) -> ModelProfile:
    image = TensorInfo(name="x", dtype="float", shape=("N", 1, 8, 8))
    scores = TensorInfo(name="y", dtype="float", shape=("N", 10))
    return ModelProfile(
        sha256="0" * 64,
        size_bytes=size_bytes,
        family="cnn",
        task="classification",
        precision="float32",
        opset=17,
        parameters=100,
        macs=1000,
        inputs=(image,),
        outputs=(scores,),
        operators=(),
        predicted_size_bytes={"int8_static": 300},
        findings=findings,
    )


def sample_dataset() -> DatasetProfile:
    return DatasetProfile(
        sha256="1" * 64,
        kind="npz",
        samples=100,
        classes=2,
        class_names=("a", "b"),
        class_counts=(50, 50),
        splits=Splits(calibration=20, search=30, confirm=50),
        preprocessing=None,
    )
