"""The preprocessing finder: tries each preset on the baseline and keeps the most accurate.

A model answers at chance when its inputs are scaled or ordered in another way than in its
training, so the right preset stands out. Only calibration samples are looked at: the choice
must not lean on the samples that the verdict rests on.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core import sandbox
from core.accuracy import predict, score_presets
from core.datasets import applicable_presets, prepare_calibration
from core.records import Deployment, ModelProfile, Preprocessing, Report


@dataclass(frozen=True, slots=True)
class FoundPreprocessing:
    """The accuracy of the baseline under each preset, on the calibration split."""

    best: Preprocessing | None
    """None where there is nothing to find: the samples are arrays."""
    clearly: bool
    """Whether it beats each other preset beyond what chance explains."""
    accuracies: dict[str, float]
    """Share of right answers, 0 to 1, by preset."""
    samples: int


def find_preprocessing(
    model: Path,
    profile: ModelProfile,
    data: Path,
    deployment: Deployment,
    seed: int,
    folder: Path,
    report: Report,
) -> FoundPreprocessing:
    """Finds the preset under which the baseline answers best.

    Args:
        model: The baseline's file.
        profile: Its profile.
        data: Dataset file or folder.
        deployment: Session options to run under.
        seed: Of the split.
        folder: For intermediate files; removed afterwards.
        report: Told before each preset.

    Raises:
        BadInput: The dataset cannot be read, or the model does not run on its samples.
    """
    presets = applicable_presets(profile.inputs[0])
    try:
        prepared = sandbox.call(prepare_calibration, data, profile, presets, folder, seed)
        if not prepared:
            return FoundPreprocessing(None, True, {}, 0)
        answers = {}
        for position, (name, samples) in enumerate(prepared.items()):
            tried = partial(_say, report, position / len(prepared), f"trying {name}")
            answers[name] = sandbox.call(
                predict, model, samples, "calibration", deployment, report=tried
            )
        labels = sandbox.load_labels(next(iter(prepared.values())), "calibration")
        score = score_presets(answers, labels)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return FoundPreprocessing(presets[score.best], score.clearly, score.accuracies, len(labels))


def _say(report: Report, done: float, words: str, _fraction: float, _words: str) -> None:
    report(done, words)
