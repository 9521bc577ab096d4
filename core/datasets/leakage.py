"""Finds copies among samples, so that no copy of a confirm sample is calibrated with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.datasets.images import Picture, to_mode
from core.datasets.inputs import Array
from core.records import Finding

MIN_LIKENESS_SIDE = 64
"""A perceptual hash shrinks to 32 x 32; on pictures of that size it takes all for copies."""

MAX_HASH_DISTANCE = 6
"""Differing bits of 64: enough for another compression or size, not for another motif."""

MIN_CORRELATION = 0.98
MAX_GROUP_SHARE = 0.2
"""Where likeness joins more of the samples than this, it says nothing (one fixed camera)."""

MAX_PAIRS_PER_SAMPLE = 10
_THUMBNAIL = 32


Remark = Literal["turned", "not_finite"]
"""What is noticed on the way: turned as its EXIF data asks; holds NaN or infinite values."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether two samples are copies of one another, and a remark."""

    digest: bytes
    """Of the exact values."""
    perceptual: int | None = None
    """The 64 bits of a pHash; None for arrays and small pictures."""
    thumbnail: NDArray[np.float32] | None = None
    """32 x 32 grey values with mean 0 and length 1, flat; None where ``perceptual`` is."""
    remark: Remark | None = None


@dataclass(frozen=True, slots=True)
class Copies:
    """Which samples are copies of which."""

    groups: NDArray[np.int64]
    """A number per sample; equal numbers are copies of one another."""
    exact: int
    """Samples beyond the first of each set of identical ones."""
    alike: int
    """Further samples that only look the same."""
    indistinct: bool
    """So many look the same that likeness was not used."""


def fingerprint_array(*rows: Array) -> Fingerprint:
    """The fingerprint of one sample's arrays, one per model input."""
    digest = blake2b(digest_size=16)
    finite = True
    for row in rows:
        digest.update(np.ascontiguousarray(row).tobytes())
        finite = finite and bool(np.isfinite(row).all())
    return Fingerprint(digest.digest(), remark=None if finite else "not_finite")


def fingerprint_picture(picture: Picture) -> Fingerprint:
    """The fingerprint of a decoded picture."""
    rgb = to_mode(picture.image, "RGB")
    digest = blake2b(repr(rgb.size).encode(), digest_size=16)
    digest.update(rgb.tobytes())
    remark: Remark | None = "turned" if picture.turned else None
    if min(rgb.size) < MIN_LIKENESS_SIDE:
        return Fingerprint(digest.digest(), remark=remark)
    grey = rgb.convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    values = np.asarray(grey, dtype=np.float32).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    if length < _THUMBNAIL:  # less than one grey level of contrast: a blank picture
        return Fingerprint(digest.digest(), remark=remark)
    bits = np.packbits(imagehash.phash(rgb).hash.ravel())
    perceptual = int.from_bytes(bits.tobytes())
    return Fingerprint(digest.digest(), perceptual, values / length, remark)


def find_copies(prints: Sequence[Fingerprint]) -> Copies:
    """Groups samples that are copies of one another.

    Two samples are copies if their digests are equal, or if their perceptual hashes
    (:func:`imagehash.phash`) differ in at most :data:`MAX_HASH_DISTANCE` bits *and* their
    thumbnails correlate by :data:`MIN_CORRELATION` or more.
    """
    _, first, exact_groups = np.unique(
        np.array([fingerprint.digest for fingerprint in prints], dtype="S16"),
        return_index=True,
        return_inverse=True,
    )
    exact = len(prints) - len(first)
    distinct = [int(i) for i in first if prints[i].perceptual is not None]
    pairs = _look_alikes([prints[i] for i in distinct])
    if pairs is None:
        return Copies(exact_groups, exact, 0, True)
    joined = exact_groups[np.array(distinct, dtype=np.int64)[pairs]]
    graph = coo_array(
        (np.ones(len(joined), dtype=bool), (joined[:, 0], joined[:, 1])),
        shape=(len(first), len(first)),
    )
    _, merged = connected_components(graph, directed=False)
    groups = merged[exact_groups].astype(np.int64)
    alike = len(first) - len(np.unique(merged))
    if alike and np.bincount(groups).max() > MAX_GROUP_SHARE * len(prints):
        return Copies(exact_groups, exact, 0, True)
    return Copies(groups, exact, alike, False)


def describe_copies(copies: Copies, labels: NDArray[np.int64]) -> tuple[Finding, ...]:
    """What people should know about the copies among their samples."""
    findings = []
    if copies.exact or copies.alike:
        findings.append(
            Finding(
                severity="warning",
                code="copies",
                sentence=f"There are copies among the samples: {copies.exact} exact, "
                f"{copies.alike} that look the same; all copies of a sample were put into the "
                "same split, so that calibration saw none of the confirm samples.",
            )
        )
    if copies.indistinct:
        findings.append(
            Finding(
                severity="warning",
                code="alike",
                sentence="Most samples look alike, as from one fixed camera, so only exact copies "
                "were kept together: if neighbouring frames of a video are among them, the "
                "accuracy is less certain than its interval says.",
            )
        )
    conflicts = _count_conflicts(copies.groups, labels)
    if conflicts:
        findings.append(
            Finding(
                severity="warning",
                code="conflicting_labels",
                sentence="Copies of the same sample carry different labels, so at least one is "
                f"wrong; sets of copies with this fault: {conflicts}.",
            )
        )
    return tuple(findings)


def _count_conflicts(groups: NDArray[np.int64], labels: NDArray[np.int64]) -> int:
    pairs = np.unique(np.stack([groups, labels]), axis=1)
    return int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())


def _look_alikes(prints: Sequence[Fingerprint]) -> NDArray[np.int64] | None:
    """Pairs of positions that look the same, shape ``(pairs, 2)``; None if there are too many."""
    hashes = np.array([fingerprint.perceptual for fingerprint in prints], dtype=np.uint64)
    found = [np.empty((0, 2), dtype=np.int64)]
    allowed = MAX_PAIRS_PER_SAMPLE * len(prints)
    block = 64
    for start in range(0, len(prints), block):
        distances = np.bitwise_count(hashes[start : start + block, None] ^ hashes[None, start:])
        left, right = np.nonzero(distances <= MAX_HASH_DISTANCE)
        pairs = np.stack([left, right], axis=1)[right > left] + start
        allowed -= len(pairs)
        if allowed < 0:
            return None
        same = [
            float(np.dot(_thumbnail(prints[i]), _thumbnail(prints[j]))) >= MIN_CORRELATION
            for i, j in pairs
        ]
        found.append(pairs[np.array(same, dtype=bool)])
    return np.concatenate(found)


def _thumbnail(fingerprint: Fingerprint) -> NDArray[np.float32]:
    if fingerprint.thumbnail is None:
        raise ValueError("this fingerprint has no thumbnail")
    return fingerprint.thumbnail
