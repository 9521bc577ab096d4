import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.measurement.grid import MAX_ROUNDS, MIN_ROUNDS, fit, full_grid, rounds_within
from core.measurement.schedule import Cost
from core.records import Deployment


def costs(*run_ms, open_s=0.05):
    return {
        str(number): Cost(open_s=open_s, run_s=ms / 1e3, fastest_s=ms / 1e3)
        for number, ms in enumerate(run_ms)
    }


@pytest.mark.parametrize(
    ("threads", "cores", "expected"),
    [
        (1, 1, {1}),
        (1, 2, {1, 2}),
        (1, 6, {1, 2, 4, 6}),
        (1, 64, {1, 2, 4, 8}),
        (8, 64, {2, 4, 8, 16}),
        (3, 8, {2, 3, 4, 8}),
        (4, 2, {1, 2, 4}),  # more than the machine has, as they are served with
    ],
)
def test_thread_counts_are_those_nearest_to_the_deployments(threads, cores, expected):
    assert set(full_grid(Deployment(threads=threads), cores).threads) == expected


@pytest.mark.parametrize(("batch", "expected"), [(1, (1, 8)), (8, (8, 1)), (4, (4, 1, 8))])
def test_batch_sizes_are_the_deployments_one_and_eight(batch, expected):
    assert full_grid(Deployment(batch_size=batch), 2).batch_sizes == expected


def test_points_by_threads_and_then_by_batch_size():
    grid = full_grid(Deployment(threads=2, batch_size=4), 2)
    assert [(point.threads, point.batch_size) for point in grid.points] == [
        *((1, 1), (1, 4), (1, 8)),
        *((2, 1), (2, 4), (2, 8)),
    ]


@settings(deadline=None, max_examples=100)
@given(
    threads=st.integers(1, 128),
    cores=st.integers(1, 128),
    batch=st.integers(1, 64),
    run_ms=st.floats(0.01, 5_000),
    budget_s=st.floats(0, 3_600),
)
def test_large_batches_go_first_and_the_deployments_own_point_never(
    threads, cores, batch, run_ms, budget_s
):
    own = Deployment(threads=threads, batch_size=batch)
    full = full_grid(own, cores)
    assert len(full.threads) <= 4
    assert len(full.points) <= 12
    fitted = fit(full, costs(run_ms, run_ms), budget_s)
    assert own in fitted.points
    assert set(fitted.points) <= set(full.points)
    if len(fitted.threads) < len(full.threads):
        assert fitted.batch_sizes == (batch,)
    more = fit(full, costs(run_ms, run_ms), budget_s * 2)
    assert set(fitted.points) <= set(more.points)


def test_what_fits():
    full = full_grid(Deployment(), 4)
    assert fit(full, costs(1, 1), 15).points == full.points
    # 100 ms: 27 runs of two models at three points take 16 s, with batches of 8 over two minutes.
    slow = fit(full, costs(100, 100), 30)
    assert (slow.threads, slow.batch_sizes) == ((1, 2, 4), (1,))
    assert fit(full, costs(100, 100), 300).points == full.points
    assert fit(full, costs(3000, 3000), 30).points == (Deployment(),)


def test_nothing_is_smaller_than_the_deployments_own_point():
    grid = full_grid(Deployment(batch_size=8), 1)
    assert grid.smaller() == grid.of_own_batch()
    assert grid.smaller().smaller() is None
    assert grid.smaller().of_own_batch() is None


def test_as_many_rounds_as_fit():
    assert rounds_within([0.001, 0.001], 60.0) == MAX_ROUNDS
    assert rounds_within([0.1, 0.1], 8.0) == 10  # a turn is four runs
    assert rounds_within([0.1, 0.1], -1.0) == MIN_ROUNDS
