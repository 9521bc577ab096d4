"""Parts a dataset into calibration, search and confirm: seeded, stratified, copies together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.protocol import MAX_CALIBRATION
from core.records import BadInput, Splits

MIN_SAMPLES = 10
"""Fewer cannot be parted into three splits that each say anything."""

CALIBRATION_SHARE = 0.2

Indices = NDArray[np.int64]


def calibration_size(samples: int) -> int:
    """How many samples calibration gets: a fifth, at most :data:`MAX_CALIBRATION`."""
    return min(MAX_CALIBRATION, int(samples * CALIBRATION_SHARE))


def spread(
    labels: Indices, rng: np.random.Generator, first: NDArray[np.bool_] | None = None
) -> Indices:
    """Orders samples at random so that every run of them holds the classes in proportion.

    Systematic stratified sampling: the ``m`` samples of a class, shuffled, are put at
    ``(i + u) / m`` for ``i = 0 .. m-1`` with one random ``u`` in [0, 1) per class, and all
    are sorted by place. A prefix then holds each class's share to within
    ``1 + classes * m / samples``.

    Args:
        labels: Class of each sample, shape ``(samples,)``.
        rng: Source of chance.
        first: True for those that come before the others of their class.

    Returns:
        A permutation of ``0 .. samples-1``.
    """
    places = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if first is not None:
            members = members[np.argsort(~first[members], kind="stable")]
        places[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(places, kind="stable")


def choose(labels: Indices, most: int, seed: int) -> Indices:
    """A stratified, seeded subset of at most ``most`` samples, in their own order."""
    if len(labels) <= most:
        return np.arange(len(labels))
    return np.sort(spread(labels, np.random.default_rng(seed))[:most])


def split(
    labels: Indices,
    groups: Indices,
    seed: int,
    trained_on: NDArray[np.bool_] | None = None,
) -> tuple[Indices, Splits]:
    """Parts samples into calibration (:func:`calibration_size`), search and confirm (1 : 2).

    Samples of one group stay together. Where calibration has room for it, it holds a sample
    of every class with three groups or more; classes with fewer are left to the splits that
    accuracy is measured on.

    Groups that the model was trained on never reach search and confirm. Calibration, on which
    no verdict rests, takes in as many of each class as its share of the room allows, before any
    others of the class, so that these are kept as evidence; the rest is left out.

    Args:
        labels: Class of each sample, shape ``(samples,)``.
        groups: A number per sample; equal numbers are copies of one another.
        seed: Of the order; equal arguments give the equal split.
        trained_on: True for the samples that the model was trained on; None: for none.

    Returns:
        The samples in the order calibration, search, confirm, and how many each holds.

    Raises:
        BadInput: There are fewer than three groups, or fewer than two that the model was not
            trained on.
    """
    _, first, group_of, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    trained = np.zeros(len(first), dtype=bool)
    if trained_on is not None:
        trained[group_of[trained_on]] = True
    _check_groups(trained, sizes)
    calibration = max(calibration_size(len(labels)), 1)
    group_labels = labels[first]
    order = spread(group_labels, np.random.default_rng(seed), trained)
    order = np.concatenate(_one_of_each_first(order, group_labels, trained, calibration))
    taken = _take(sizes[order], calibration, 2, trained[order])
    parts = [order[taken]]
    order = order[~taken & ~trained[order]]
    search = max(round(sizes[order].sum() / 3), 1)
    taken = _take(sizes[order], search, 1, trained[order])
    parts += [order[taken], order[~taken]]
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(sizes)[:-1])
    samples = [np.concatenate([members[group] for group in part]) for part in parts]
    counts = Splits(calibration=len(samples[0]), search=len(samples[1]), confirm=len(samples[2]))
    return np.concatenate(samples), counts


def _check_groups(trained: NDArray[np.bool_], sizes: Indices) -> None:
    unseen = int((~trained).sum())
    if len(trained) >= 3 and unseen >= 2:
        return
    which = " that the model was not trained on" if trained.any() else ""
    raise BadInput(
        f"Only {unseen} of the {sizes[~trained].sum()} samples{which} differ from one another: "
        "give samples that are not copies."
    )


def _one_of_each_first(
    order: Indices, labels: Indices, trained: NDArray[np.bool_], room: int
) -> tuple[Indices, Indices]:
    """The first of each class that can spare one, if there is room for all; then the others."""
    _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
    front = np.sort(first[(counts >= 3) | trained[order[first]]])
    if len(front) > room:
        return order, order[:0]
    return order[front], np.delete(order, front)


def _take(sizes: Indices, room: int, leave: int, trained: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which groups, in their order, fill a split: those that fit, or else the smallest alone.

    At least ``leave`` groups that the model was not trained on are left to the splits that
    follow.
    """
    taken = np.zeros(len(sizes), dtype=bool)
    spare = int((~trained).sum()) - leave
    for place, size in enumerate(sizes):
        if size <= room and (spare or trained[place]):
            taken[place] = True
            room -= size
            spare -= not trained[place]
    if not taken.any():
        can_go = trained | (spare > 0)
        taken[np.where(can_go, sizes, sizes.max() + 1).argmin()] = True
    return taken
