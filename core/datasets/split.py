"""Parts a dataset into calibration, search and confirm: seeded, stratified, copies together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.records import BadInput, Splits

MIN_SAMPLES = 10
"""Fewer cannot be parted into three splits that each say anything."""

CALIBRATION_SHARE = 0.2
MAX_CALIBRATION = 200
"""MinMax ranges hardly move beyond some hundred samples; the rest is worth more as evidence."""

Indices = NDArray[np.int64]


def calibration_size(samples: int) -> int:
    """How many samples calibration gets: a fifth, at most :data:`MAX_CALIBRATION`."""
    return min(MAX_CALIBRATION, int(samples * CALIBRATION_SHARE))


def spread(labels: Indices, rng: np.random.Generator) -> Indices:
    """Orders samples at random so that every run of them holds the classes in proportion.

    Systematic stratified sampling: the ``m`` samples of a class, shuffled, are put at
    ``(i + u) / m`` for ``i = 0 .. m-1`` with one random ``u`` in [0, 1) per class, and all
    are sorted by place. A prefix then holds each class's share to within
    ``1 + classes * m / samples``.

    Args:
        labels: Class of each sample, shape ``(samples,)``.
        rng: Source of chance.

    Returns:
        A permutation of ``0 .. samples-1``.
    """
    places = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        places[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(places, kind="stable")


def choose(labels: Indices, most: int, seed: int) -> Indices:
    """A stratified, seeded subset of at most ``most`` samples, in their own order."""
    if len(labels) <= most:
        return np.arange(len(labels))
    return np.sort(spread(labels, np.random.default_rng(seed))[:most])


def split(labels: Indices, groups: Indices, seed: int) -> tuple[Indices, Splits]:
    """Parts samples into calibration (:func:`calibration_size`), search and confirm (1 : 2).

    Samples of one group stay together. Where calibration has room for it, it holds a sample
    of every class with three groups or more; classes with fewer are left to the splits that
    accuracy is measured on.

    Args:
        labels: Class of each sample, shape ``(samples,)``.
        groups: A number per sample; equal numbers are copies of one another.
        seed: Of the order; equal arguments give the equal split.

    Returns:
        The samples in the order calibration, search, confirm, and how many each holds.

    Raises:
        BadInput: There are fewer than three groups.
    """
    _, first, group_of, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    if len(first) < 3:
        raise BadInput(
            f"Only {len(first)} of the {len(labels)} samples differ from one another: give samples "
            "that are not copies."
        )
    calibration = max(calibration_size(len(labels)), 1)
    search = max(round((len(labels) - calibration) / 3), 1)
    group_labels = labels[first]
    order = spread(group_labels, np.random.default_rng(seed))
    order = np.concatenate(_one_of_each_first(order, group_labels, calibration))
    parts = []
    for room, leave in ((calibration, 2), (search, 1)):
        taken = _take(order, sizes, room, leave)
        parts.append(order[taken])
        order = order[~taken]
    parts.append(order)
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(sizes)[:-1])
    samples = [np.concatenate([members[group] for group in part]) for part in parts]
    counts = Splits(calibration=len(samples[0]), search=len(samples[1]), confirm=len(samples[2]))
    return np.concatenate(samples), counts


def _one_of_each_first(order: Indices, labels: Indices, room: int) -> tuple[Indices, Indices]:
    """The first of each class that can spare one, if there is room for all; then the others."""
    _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
    front = np.sort(first[counts >= 3])
    if len(front) > room:
        return order, order[:0]
    return order[front], np.delete(order, front)


def _take(order: Indices, sizes: Indices, room: int, leave: int) -> NDArray[np.bool_]:
    """Which groups of an order fill a split: those that fit, or else the smallest alone.

    At least ``leave`` groups are left to the splits that follow.
    """
    taken = np.zeros(len(order), dtype=bool)
    spare = len(order) - leave
    for place, size in enumerate(sizes[order]):
        if size <= room and spare:
            taken[place] = True
            room -= size
            spare -= 1
    if not taken.any():
        taken[np.argmin(sizes[order])] = True
    return taken
