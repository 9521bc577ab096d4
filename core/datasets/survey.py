"""Looks at every sample of a dataset once: is it readable, whose copy is it, which split."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.classes import ClassMap, count_outputs, map_classes
from core.datasets.describe import describe_classes, describe_samples
from core.datasets.hashing import hash_dataset
from core.datasets.images import UnreadableImage
from core.datasets.inputs import input_dtype, picture_shape
from core.datasets.leakage import Fingerprint, describe_copies, find_copies
from core.datasets.readers import open_source, read_samples
from core.datasets.samples import Images, Samples
from core.datasets.split import MIN_SAMPLES, choose, split
from core.datasets.training import TRAINING_LIST, describe_trained_on, find_trained_on
from core.datasets.wording import shown
from core.records import BadInput, DatasetProfile, ModelProfile, Preprocessing, Report

MAX_SAMPLES = 20_000
MAX_PREPARED_BYTES = 8_000_000_000
"""Of all prepared inputs together: what a worker's disk and page cache can be asked to hold."""

MAX_UNREADABLE_SHARE = 0.01
"""Up to this share of damaged pictures is left out with a word; more is a broken dataset."""


@dataclass(frozen=True, slots=True)
class Survey:
    """A dataset with its split."""

    samples: Samples
    order: NDArray[np.int64]
    """Positions in ``samples``: calibration, then search, then confirm. What cannot be read, and
    what the model was trained on and calibration has no room for, is not among them."""
    labels: NDArray[np.int64]
    """Class of each sample in that order."""
    profile: DatasetProfile


def survey(
    path: Path,
    model: ModelProfile,
    preprocessing: Preprocessing | None,
    seed: int,
    scratch: Path,
    report: Report,
) -> Survey:
    """Reads a dataset, checks every sample and splits it.

    Args:
        path: Dataset file or folder.
        model: Says what its inputs and outputs are.
        preprocessing: Of pictures; part of the profile, and its size decides how many fit.
        seed: Of the choice of samples and of the split.
        scratch: Folder for what must be unpacked; the samples stay in it.
        report: Told while the samples are looked at.

    Raises:
        BadInput: The dataset cannot be used.
    """
    samples = read_samples(open_source(path, scratch), model)
    _check_count(len(samples.labels))
    classes = map_classes(
        set(samples.labels), samples.listed_classes, count_outputs(model), samples.kind
    )
    labels = np.array([classes.index[label] for label in samples.labels], dtype=np.int64)
    _check_classes(labels, classes)
    most = min(
        MAX_SAMPLES, max(MAX_PREPARED_BYTES // _input_bytes(samples, model, preprocessing), 1)
    )
    chosen = choose(labels, most, seed)
    prints, unreadable = _look(samples, chosen, report)
    _check_unreadable(samples, unreadable, len(chosen))
    kept = np.array(list(prints), dtype=np.int64)
    _check_count(len(kept))
    _check_classes(labels[kept], classes)
    copies = find_copies(list(prints.values()))
    trained_on = find_trained_on(samples, kept, copies.groups)
    unseen = labels[kept[~trained_on.mask]]
    why = _why_fewer(len(kept) - len(unseen))
    _check_count(len(unseen), why)
    _check_classes(unseen, classes, why)
    places, splits = split(labels[kept], copies.groups, seed, trained_on.mask)
    order = kept[places]
    findings = (
        samples.findings
        + classes.findings
        + describe_samples(samples, len(chosen), unreadable, list(prints.values()))
        + describe_copies(copies, labels[kept])
        + describe_trained_on(trained_on, int(trained_on.mask[places].sum()))
        + describe_classes(np.bincount(unseen, minlength=len(classes.names)), classes.names)
    )
    counts = np.bincount(labels[order], minlength=len(classes.names))
    profile = DatasetProfile(
        sha256=hash_dataset(path),
        kind=samples.kind,
        samples=len(order),
        classes=len(classes.names),
        class_names=classes.names,
        class_counts=tuple(counts.tolist()),
        splits=splits,
        preprocessing=None if samples.kind == "npz" else preprocessing,
        findings=findings,
    )
    return Survey(samples, order, labels[order], profile)


def _look(
    samples: Samples, chosen: NDArray[np.int64], report: Report
) -> tuple[dict[int, Fingerprint], dict[int, str]]:
    """The fingerprints of the readable samples, and why the others are not, by position."""
    prints: dict[int, Fingerprint] = {}
    unreadable: dict[int, str] = {}
    for done, index in enumerate(chosen.tolist(), start=1):
        try:
            prints[index] = samples.fingerprint(index)
        except UnreadableImage as reason:
            unreadable[index] = str(reason)
        report(done / len(chosen), f"looked at {done} of {len(chosen)} samples")
    return prints, unreadable


def _why_fewer(trained_on: int) -> str:
    return (
        f" (not counted are {trained_on:,} that the model was trained on, by {TRAINING_LIST})"
        if trained_on
        else ""
    )


def _check_count(count: int, why: str = "") -> None:
    if count < MIN_SAMPLES:
        raise BadInput(
            f"Too few labelled samples, {count}{why}: at least {MIN_SAMPLES} are needed to run, "
            "and to prove a drop below 1 point about 299 are the least that must be set aside, "
            "which is some 560 in all."
        )


def _check_classes(labels: NDArray[np.int64], classes: ClassMap, why: str = "") -> None:
    present = np.unique(labels)
    if len(present) < 2:
        raise BadInput(
            f"All samples are of one class, {shown(classes.names[present[0]])}{why}: give samples "
            "of at least two classes, or accuracy says nothing."
        )


def _check_unreadable(samples: Samples, unreadable: dict[int, str], looked_at: int) -> None:
    if len(unreadable) > MAX_UNREADABLE_SHARE * looked_at:
        first = next(iter(unreadable))
        raise BadInput(
            f"Of {looked_at} pictures {len(unreadable)} cannot be read, the first being "
            f"{shown(samples.name(first))} ({unreadable[first]}): mend or remove them."
        )


def _input_bytes(samples: Samples, model: ModelProfile, preprocessing: Preprocessing | None) -> int:
    """Bytes of one prepared sample."""
    if isinstance(samples, Images):
        shapes = [picture_shape(model, preprocessing)]
    else:
        shapes = [column.shape[1:] for column in samples.columns]
    return sum(
        prod(shape) * input_dtype(entry).itemsize
        for entry, shape in zip(model.inputs, shapes, strict=True)
    )
