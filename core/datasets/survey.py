"""Looks at every sample of a dataset once: is it readable, whose copy is it, which split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.classes import ClassMap, count_outputs, map_classes
from core.datasets.images import UnreadableImage
from core.datasets.inputs import input_dtype, picture_shape
from core.datasets.leakage import Fingerprint, describe_copies, find_copies
from core.datasets.readers import open_source, read_samples
from core.datasets.samples import Images, Samples
from core.datasets.split import MIN_SAMPLES, choose, split
from core.datasets.wording import listing, shown
from core.records import (
    BadInput,
    DatasetProfile,
    Finding,
    ModelProfile,
    Preprocessing,
    Report,
)

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
    """Positions in ``samples``: calibration, then search, then confirm."""
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
    places, splits = split(labels[kept], copies.groups, seed)
    order = kept[places]
    findings = (
        samples.findings
        + classes.findings
        + _describe(samples, chosen, unreadable, list(prints.values()))
        + describe_copies(copies, labels[kept])
    )
    counts = np.bincount(labels[kept], minlength=len(classes.names))
    profile = DatasetProfile(
        sha256=hash_dataset(path),
        kind=samples.kind,
        samples=len(kept),
        classes=len(classes.names),
        class_names=classes.names,
        class_counts=tuple(counts.tolist()),
        splits=splits,
        preprocessing=None if samples.kind == "npz" else preprocessing,
        findings=findings + _describe_classes(counts),
    )
    return Survey(samples, order, labels[order], profile)


def hash_dataset(path: Path) -> str:
    """SHA-256 of a dataset.

    A file's own. A folder's is that of the lines ``digest  path`` of its files in the order of
    their paths, hidden files and all: what ``sha256sum`` prints for them.
    """
    if path.is_file():
        return _hash_file(path)
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*"))
    lines = [f"{_hash_file(file)}  {name}\n" for name, file in files if file.is_file()]
    return sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


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


def _check_count(count: int) -> None:
    if count < MIN_SAMPLES:
        raise BadInput(
            f"Too few labelled samples, {count}: at least {MIN_SAMPLES} are needed to run, and to "
            "prove a drop below 1 point about 299 are the least that must be set aside, which is "
            "some 560 in all."
        )


def _check_classes(labels: NDArray[np.int64], classes: ClassMap) -> None:
    present = np.unique(labels)
    if len(present) < 2:
        raise BadInput(
            f"All samples are of one class, {shown(classes.names[present[0]])}: give samples of at "
            "least two classes, or accuracy says nothing."
        )


def _check_unreadable(samples: Samples, unreadable: dict[int, str], looked_at: int) -> None:
    if len(unreadable) > MAX_UNREADABLE_SHARE * looked_at:
        first = next(iter(unreadable))
        raise BadInput(
            f"Of {looked_at} pictures {len(unreadable)} cannot be read, the first being "
            f"{shown(samples.name(first))} ({unreadable[first]}): mend or remove them."
        )


def _describe(
    samples: Samples,
    chosen: NDArray[np.int64],
    unreadable: dict[int, str],
    prints: Sequence[Fingerprint],
) -> tuple[Finding, ...]:
    findings = []
    if len(chosen) < len(samples.labels):
        findings.append(
            Finding(
                severity="info",
                code="subset",
                sentence=f"Of {len(samples.labels):,} samples {len(chosen):,} are used, chosen at "
                "random with the classes in proportion; more would change little.",
            )
        )
    if unreadable:
        names = listing(samples.name(index) for index in unreadable)
        findings.append(
            Finding(
                severity="warning",
                code="unreadable",
                sentence=f"Pictures that cannot be read are left out ({len(unreadable)}): {names}.",
            )
        )
    remarks = Counter(fingerprint.remark for fingerprint in prints)
    if remarks["turned"]:
        findings.append(
            Finding(
                severity="info",
                code="turned",
                sentence="Pictures were turned upright as their EXIF data says "
                f"({remarks['turned']}); see that your service does so too.",
            )
        )
    if remarks["not_finite"]:
        findings.append(
            Finding(
                severity="warning",
                code="not_finite",
                sentence="Samples hold NaN or infinite values, which most models answer with NaN: "
                f"{remarks['not_finite']}.",
            )
        )
    return tuple(findings)


def _describe_classes(counts: NDArray[np.int64]) -> tuple[Finding, ...]:
    absent = int((counts == 0).sum())
    if not absent:
        return ()
    return (
        Finding(
            severity="info",
            code="absent_classes",
            sentence=f"Of the model's {len(counts)} classes {absent} have no sample, so nothing is "
            "known of how they fare.",
        ),
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
