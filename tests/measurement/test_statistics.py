import numpy as np
import pytest

from core.measurement import statistics

GROUPS, ROUNDS, RUNS = 5, 20, 10
LEVELS = 0.35  # between the machine's two speeds, as a logarithm


def measurement(random, speedup, *, layout, candidate_runs=RUNS):
    """Times of a baseline and of a candidate that is ``speedup`` times faster.

    On a machine that drifts, jumps between two speeds for some rounds on end, and takes the
    processor away from a single turn now and then; with processes that differ by ``layout``.
    """
    walk = np.cumsum(random.normal(0, 0.01, GROUPS * ROUNDS))
    jumps = np.cumsum(random.random(GROUPS * ROUNDS) < 0.1) % 2
    machine = (walk + LEVELS * jumps).reshape(GROUPS, ROUNDS, 1)

    def model(level, runs):
        shape = (GROUPS, ROUNDS, runs)
        process = random.normal(0, layout, (GROUPS, 1, 1))
        turn = LEVELS * (random.random((GROUPS, ROUNDS, 1)) < 0.05)
        run = np.abs(random.normal(0, 0.02, shape)) + 0.5 * (random.random(shape) < 0.02)
        return np.exp(level + machine + process + turn + run)

    return model(0.0, RUNS), model(-np.log(speedup), candidate_runs)


def test_draws_keep_to_whole_groups():
    draws = statistics.draw_rounds(4, 6, seed=1, resamples=50)
    assert draws.shape == (50, 24)
    of_each_group = (draws // 6).reshape(50, 4, 6)
    assert (of_each_group == of_each_group[:, :, :1]).all()
    assert set(draws.ravel()) == set(range(24))
    # Groups are drawn with replacement: some resamples lack one.
    assert min(len(set(groups)) for groups in of_each_group[:, :, 0]) < 4


@pytest.mark.parametrize(
    ("count", "probability", "ranks"),
    [
        (10, 0.5, (2, 9)),  # Conover, Practical Nonparametric Statistics, table A3: 97.9%
        (100, 0.5, (40, 61)),
        (500, 0.99, (490, 500)),
    ],
)
def test_order_statistics_have_the_ranks_of_the_binomial(count, probability, ranks):
    samples = np.random.default_rng(0).permutation(np.arange(1, count + 1)).astype(float)
    assert statistics.order_statistic_interval(samples, probability) == ranks


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99])
def test_quantile_intervals_cover(probability):
    random = np.random.default_rng(2)
    draws = statistics.draw_rounds(GROUPS, ROUNDS, seed=2, resamples=200)
    truth = -np.log(1 - probability)
    covered = 0
    for _ in range(150):
        estimate = statistics.quantile(
            random.exponential(size=(GROUPS, ROUNDS, RUNS)), probability, draws
        )
        assert estimate.low <= estimate.value <= estimate.high
        covered += estimate.low <= truth <= estimate.high
    assert covered >= 0.93 * 150


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99])
def test_quantile_intervals_are_the_wider_of_two(probability):
    random = np.random.default_rng(3)
    draws = statistics.draw_rounds(GROUPS, ROUNDS, seed=3, resamples=500)
    shape = (GROUPS, ROUNDS, RUNS)
    run = random.exponential(0.01, shape)
    steady = 1 + run
    # The same runs on a machine whose speed differs from round to round: no more is known of it
    # than there are rounds, whatever order statistics make of the number of runs.
    wandering = np.exp(random.normal(0, 0.2, (GROUPS, ROUNDS, 1))) + run
    for samples, least in ((steady, 1.0), (wandering, 1.3)):
        estimate = statistics.quantile(samples, probability, draws)
        low, high = statistics.order_statistic_interval(samples, probability)
        drawn = statistics.resampled_quantile(samples, probability, draws)
        assert estimate.low == pytest.approx(min(low, np.quantile(drawn, 0.025)))
        assert estimate.high == pytest.approx(max(high, np.quantile(drawn, 0.975)))
        assert estimate.high - estimate.low >= least * (high - low)


@pytest.mark.parametrize("layout", [0.0, 0.004, 0.02])
@pytest.mark.parametrize("candidate_runs", [RUNS, 3])
def test_speedup_intervals_cover_on_a_restless_machine(layout, candidate_runs):
    random = np.random.default_rng(1)
    draws = statistics.draw_rounds(GROUPS, ROUNDS, seed=1, resamples=500)
    covered = 0
    for _ in range(400):
        ratio = statistics.speedup(
            *measurement(random, 1.3, layout=layout, candidate_runs=candidate_runs), draws
        )
        assert ratio.low <= ratio.ratio <= ratio.high
        covered += ratio.low <= 1.3 <= ratio.high
    assert covered >= 0.93 * 400


def test_speedup_does_not_care_at_which_speed_most_rounds_ran():
    random = np.random.default_rng(5)
    draws = statistics.draw_rounds(GROUPS, ROUNDS, seed=5)
    paired, overall = [], []
    for _ in range(50):
        baseline, candidate = measurement(random, 1.3, layout=0.0)
        paired.append(statistics.speedup(baseline, candidate, draws).ratio / 1.3)
        overall.append(np.median(baseline) / np.median(candidate) / 1.3)
    assert np.std(paired) < 0.005
    assert np.std(overall) > 3 * np.std(paired)


def test_on_a_steady_machine_speedup_is_the_ratio_of_p50s():
    random = np.random.default_rng(6)
    baseline = random.normal(30, 0.3, (GROUPS, ROUNDS, RUNS))
    candidate = random.normal(10, 0.1, (GROUPS, ROUNDS, RUNS))
    draws = statistics.draw_rounds(GROUPS, ROUNDS, seed=6)
    ratio = statistics.speedup(baseline, candidate, draws)
    assert ratio.ratio == pytest.approx(np.median(baseline) / np.median(candidate), rel=0.002)
    assert ratio.high / ratio.low < 1.01


def test_ratio_of_tails():
    random = np.random.default_rng(7)
    baseline = random.exponential(2.0, (GROUPS, ROUNDS, RUNS))
    candidate = random.exponential(1.0, (GROUPS, ROUNDS, RUNS))
    draws = statistics.draw_rounds(GROUPS, ROUNDS, seed=7)
    ratio = statistics.quantile_ratio(baseline, candidate, 0.99, draws)
    assert ratio.low < 2.0 < ratio.high
    assert ratio.low > 1.0


def test_resampling_in_chunks_changes_nothing(monkeypatch):
    samples = np.random.default_rng(8).exponential(size=(GROUPS, ROUNDS, RUNS))
    draws = statistics.draw_rounds(GROUPS, ROUNDS, seed=8, resamples=64)
    whole = statistics.resampled_quantile(samples, 0.9, draws)
    monkeypatch.setattr(statistics, "_CHUNK", 7 * samples.size)
    assert np.array_equal(statistics.resampled_quantile(samples, 0.9, draws), whole)
    assert whole[3] == np.quantile(samples.reshape(-1, RUNS)[draws[3]], 0.9)
