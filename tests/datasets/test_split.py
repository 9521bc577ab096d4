from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.datasets.split import MAX_CALIBRATION, calibration_size, choose, split, spread
from core.records import BadInput

labels_of = st.lists(st.integers(0, 6), min_size=10, max_size=400).map(np.array)
seeds = st.integers(0, 2**32)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    labels = draw(labels_of)
    most = draw(st.sampled_from([3, len(labels) // 3, len(labels)]))
    groups = draw(
        st.lists(st.integers(0, max(most, 3)), min_size=len(labels), max_size=len(labels))
    )
    assume(len(set(groups)) >= 3)
    return labels, np.array(groups)


@given(data=grouped(), seed=seeds)
@settings(max_examples=100, deadline=None)
def test_every_sample_is_in_one_split_and_copies_stay_together(data, seed):
    labels, groups = data
    order, splits = split(labels, groups, seed)
    assert sorted(order) == list(range(len(labels)))
    sizes = (splits.calibration, splits.search, splits.confirm)
    assert min(sizes) >= 1
    assert sum(sizes) == len(labels)
    part_of = np.empty(len(labels), dtype=int)
    part_of[order] = np.repeat([0, 1, 2], sizes)
    for group in set(groups.tolist()):
        assert len(set(part_of[groups == group])) == 1
    again, _ = split(labels, groups, seed)
    np.testing.assert_array_equal(order, again)


@given(data=grouped(), seed=seeds, chance=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_what_was_trained_on_is_calibrated_with_or_left_out(data, seed, chance):
    labels, groups = data
    listed = np.random.default_rng(seed).random(len(labels)) < chance
    trained_on = np.isin(groups, groups[listed])
    assume(len(set(groups[~trained_on].tolist())) >= 2)
    order, splits = split(labels, groups, seed, listed)
    assert len(set(order.tolist())) == len(order)
    assert splits.calibration + splits.search + splits.confirm == len(order)
    assert min(splits.calibration, splits.search, splits.confirm) >= 1
    assert not trained_on[order[splits.calibration :]].any()
    # Nothing else is left out, and no copy of what is left out stays behind.
    left_out = np.delete(np.arange(len(labels)), order)
    assert trained_on[left_out].all()
    assert not np.isin(groups[left_out], groups[order]).any()
    parts = np.split(order, np.cumsum([splits.calibration, splits.search]))
    copies = [set(groups[part].tolist()) for part in parts]
    assert sum(len(part) for part in copies) == len(set.union(*copies))
    again, _ = split(labels, groups, seed, listed)
    np.testing.assert_array_equal(order, again)


def test_trained_on_samples_are_calibrated_with_first_and_the_rest_is_left_out():
    labels, groups = np.arange(1000) % 10, np.arange(1000)
    few, many = groups < 50, groups < 500
    order, splits = split(labels, groups, 0, few)
    assert (splits.calibration, splits.search, splits.confirm) == (200, 267, 533)
    assert few[order[:200]].sum() == 50
    order, splits = split(labels, groups, 0, many)
    assert (splits.calibration, splits.search, splits.confirm) == (200, 167, 333)
    assert many[order[:200]].all()


def test_trained_on_samples_of_one_class_do_not_displace_the_others_from_calibration():
    labels, groups = np.arange(1000) % 10, np.arange(1000)
    order, splits = split(labels, groups, 0, labels == 3)
    calibrated = labels[order[: splits.calibration]]
    assert set(np.bincount(calibrated).tolist()) <= {19, 20, 21}
    assert len(order) == 900 + (calibrated == 3).sum()


@pytest.mark.parametrize("seed", range(10))
def test_a_rare_class_that_was_trained_on_is_calibrated_with(seed):
    labels, groups = np.array([2, 2, *(np.arange(98) % 2)]), np.arange(100)
    order, splits = split(labels, groups, seed, groups == 0)
    assert 0 in order[: splits.calibration]
    assert 1 in order[splits.calibration :]


def test_the_last_two_that_were_not_trained_on_are_left_to_search_and_confirm():
    groups = np.array([0, 1] + [2] * 10)
    order, splits = split(np.arange(12) % 2, groups, 0, groups == 2)
    assert (splits.calibration, splits.search, splits.confirm) == (10, 1, 1)
    assert set(order[10:].tolist()) == {0, 1}


def test_none_trained_on_is_the_split_without_a_list():
    labels, groups = np.arange(300) % 7, np.arange(300) // 2
    order, splits = split(labels, groups, 5)
    same, counts = split(labels, groups, 5, np.zeros(300, dtype=bool))
    np.testing.assert_array_equal(order, same)
    assert splits == counts


@given(labels=labels_of, seed=seeds)
@settings(max_examples=100, deadline=None)
def test_distinct_samples_are_split_by_plan_and_calibrate_every_class_there_is_room_for(
    labels, seed
):
    order, splits = split(labels, np.arange(len(labels)), seed)
    n = len(labels)
    assert splits.calibration == max(calibration_size(n), 1)
    assert splits.search == max(round((n - splits.calibration) / 3), 1)
    names, counts = np.unique(labels, return_counts=True)
    spare = set(names[counts >= 3].tolist())
    if len(spare) <= splits.calibration:
        assert spare <= set(labels[order[: splits.calibration]].tolist())


@given(labels=labels_of, seed=seeds, share=st.floats(0.05, 0.95))
@settings(max_examples=100, deadline=None)
def test_every_prefix_of_a_spread_holds_the_classes_in_proportion(labels, seed, share):
    order = spread(labels, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(labels)))
    prefix = labels[order[: int(share * len(labels))]]
    names, counts = np.unique(labels, return_counts=True)
    for name, count in zip(names, counts, strict=True):
        expected = len(prefix) * count / len(labels)
        allowed = 1 + len(names) * count / len(labels)
        assert abs((prefix == name).sum() - expected) <= allowed + 1e-9


def test_confirm_gets_the_most_and_calibration_at_most_its_cap():
    order, splits = split(np.arange(561) % 10, np.arange(561), 0)
    assert (splits.calibration, splits.search, splits.confirm) == (112, 150, 299)
    order, splits = split(np.arange(5000) % 10, np.arange(5000), 0)
    assert splits.calibration == MAX_CALIBRATION
    confirm = (np.arange(5000) % 10)[order[-splits.confirm :]]
    assert set(np.bincount(confirm).tolist()) <= {319, 320, 321}


def test_another_seed_is_another_split():
    labels, groups = np.arange(100) % 5, np.arange(100)
    assert split(labels, groups, 1)[0].tolist() != split(labels, groups, 2)[0].tolist()


def test_one_huge_group_leaves_no_split_empty():
    groups = np.array([0, 1] + [2] * 98)
    _, splits = split(np.arange(100) % 2, groups, 0)
    assert (splits.calibration, splits.search, splits.confirm) == (1, 1, 98)


def test_samples_that_are_all_copies_are_one_sentence():
    with pytest.raises(BadInput, match="Only 2 of the 20 samples differ"):
        split(np.arange(20) % 2, np.arange(20) % 2, 0)


def test_copies_alone_that_were_not_trained_on_are_one_sentence():
    groups = np.minimum(np.arange(60), 40)
    with pytest.raises(BadInput, match="Only 1 of the 20 samples that the model was not trained"):
        split(np.arange(60) % 2, groups, 0, groups < 40)


def test_a_subset_is_stratified_seeded_and_in_order():
    labels = np.repeat([0, 1], [900, 100])
    chosen = choose(labels, 100, 7)
    assert (np.diff(chosen) > 0).all()
    assert 8 <= (labels[chosen] == 1).sum() <= 12
    np.testing.assert_array_equal(chosen, choose(labels, 100, 7))
    np.testing.assert_array_equal(choose(labels, 1000, 7), np.arange(1000))
