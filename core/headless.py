"""Evaluations and comparisons of local files, without a store, a database or a browser."""

from __future__ import annotations

import secrets
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import sandbox
from core.accuracy import predict
from core.datasets import prepare, preset_for
from core.evaluation import evaluate
from core.finder import find_preprocessing
from core.intake import locate_model, profile_model
from core.journal import Journal
from core.measurement import compare, machine_lock
from core.records import (
    BadInput,
    Deployment,
    Effort,
    Evaluation,
    ModelProfile,
    PreparedData,
    Progress,
    Request,
    SplitName,
    to_json,
    to_plain,
)

AUTO = "auto"


def evaluate_files(
    model: Path, data: Path, out: Path, request: Request, preprocessing: str = AUTO
) -> Evaluation:
    """Evaluates local files and leaves the results in a folder.

    Args:
        model: As in :func:`core.evaluation.evaluate`.
        data: Dataset file or folder.
        out: Receives ``evaluation.json``, ``models/`` and ``raw/``; made if it is not there.
        request: What is asked; its preprocessing is replaced by the preset's.
        preprocessing: A preset's name, or ``auto``.

    Raises:
        BadInput: The model, the dataset, the preset's name or the folder cannot be used.
        SandboxFailure: The evaluation could not be finished.
    """
    with _work_folder(out) as work:
        # If this evaluation fails, no earlier one's result may pass for its own.
        (out / "evaluation.json").unlink(missing_ok=True)
        preset = None
        if preprocessing != AUTO:
            _, profile = _read_model(model, Path(work) / "preset")
            preset = preset_for(preprocessing, profile.inputs[0])
        evaluation = evaluate(
            id=secrets.token_urlsafe(9),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            model=model.resolve(),
            data=data.resolve(),
            request=replace(request, preprocessing=preset),
            folder=Path(work),
            journal=Journal(_show),
        )
        _deliver(Path(work), out)
    (out / "evaluation.json").write_text(to_json(evaluation) + "\n", encoding="utf-8")
    return evaluation


def compare_files(
    a: Path,
    b: Path,
    data: Path | None,
    *,
    deployment: Deployment,
    effort: Effort,
    seed: int,
    preprocessing: str = AUTO,
) -> dict[str, Any]:
    """Times two models in interleaved rounds; with data, also says how often they agree.

    Args:
        a: The model that the other is compared with.
        b: The other model; it takes the same inputs.
        data: Dataset; None: seeded synthetic inputs, and no agreement.
        deployment: Session options to run under.
        effort: How many runs.
        seed: Of the rounds and of the split.
        preprocessing: A preset's name, or ``auto``.

    Returns:
        Plain JSON values: ``speedup``, ``p50_ms``, ``aa`` and, with data, ``agreement``.
    """
    with tempfile.TemporaryDirectory() as folder, machine_lock(_waiting):
        work = Path(folder)
        source_a, profile = _read_model(a, work / "a")
        source_b, _ = _read_model(b, work / "b")
        prepared = None
        if data is not None:
            if preprocessing == AUTO:
                chosen = find_preprocessing(
                    source_a, profile, data.resolve(), deployment, seed, work / "finder", _quiet
                ).best
            else:
                chosen = preset_for(preprocessing, profile.inputs[0])
            prepared = sandbox.call(
                prepare, data.resolve(), profile, chosen, work / "prepared", seed
            )
        result: dict[str, Any] = to_plain(
            compare(source_a, source_b, deployment, effort=effort, seed=seed, prepared=prepared)
        )
        if prepared is not None:
            result["agreement"] = _agreement(source_a, source_b, prepared, deployment)
    return result


def summary(evaluation: Evaluation) -> str:
    """An evaluation as a few lines of text: the verdict, and a row for each candidate."""
    lines = [evaluation.verdict.sentence, ""]
    lines += [f"  - {reason}" for reason in evaluation.verdict.reasons]
    width = max(len(candidate.id) for candidate in evaluation.candidates) + 2
    lines += [
        "",
        f"{'candidate':<{width}}{'p50 ms':>9}{'p99 ms':>9}{'speed-up':>18}{'MB':>8}{'drop':>7}",
    ]
    for candidate in evaluation.candidates:
        if candidate.latency is None or candidate.accuracy is None or candidate.size_bytes is None:
            lines.append(f"{candidate.id:<{width}}{candidate.reason}")
            continue
        latency = candidate.latency
        p99 = f"{latency.p99_ms.value:9.2f}" if latency.p99_ms else f"{'-':>9}"
        speed = latency.speedup
        lines.append(
            f"{candidate.id:<{width}}{latency.p50_ms.value:9.2f}{p99}"
            f"{f'{speed.ratio:.2f} ({speed.low:.2f}-{speed.high:.2f})':>18}"
            f"{candidate.size_bytes / 1e6:8.2f}{candidate.accuracy.drop_points.value:7.2f}"
        )
    if evaluation.verdict.next_steps:
        lines += ["", "Next:"] + [f"  - {step}" for step in evaluation.verdict.next_steps]
    return "\n".join(lines)


def _work_folder(out: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=out.resolve(), prefix=".work-")
    except OSError as error:
        message = f"Nothing can be written to '{out}': give a folder of your own with --out."
        raise BadInput(message) from error


def _deliver(work: Path, out: Path) -> None:
    """Moves the results file by file: a ``models`` or ``raw`` there may hold the user's own."""
    for name in ("models", "raw"):
        for made in (work / name).glob("*"):
            (out / name).mkdir(exist_ok=True)
            made.replace(out / name / made.name)


def _read_model(path: Path, folder: Path) -> tuple[Path, ModelProfile]:
    source = sandbox.call(locate_model, path.resolve(), folder)
    return source, sandbox.call(profile_model, source)


def _agreement(a: Path, b: Path, prepared: PreparedData, deployment: Deployment) -> float:
    splits: tuple[SplitName, ...] = ("search", "confirm")
    pairs = [
        pair
        for split in splits
        for pair in zip(
            sandbox.call(predict, a, prepared, split, deployment).classes,
            sandbox.call(predict, b, prepared, split, deployment).classes,
            strict=True,
        )
    ]
    return sum(first == second for first, second in pairs) / len(pairs)


def _show(progress: Progress) -> None:
    """One line that is overwritten on a terminal, and nothing in a log."""
    if sys.stderr.isatty():
        running = next((step.title for step in progress.steps if step.state == "running"), "")
        line = f"{progress.fraction:4.0%}  {running}  {progress.words}"
        print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)


def _waiting(_fraction: float, words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)


def _quiet(_fraction: float, _words: str) -> None:
    return None
