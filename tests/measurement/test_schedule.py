import pytest

from core.measurement.schedule import MIN_ROUNDS, Cost, plan


def cost(run_ms, open_s=0.05):
    return Cost(open_s=open_s, run_s=run_ms / 1e3, fastest_s=run_ms / 1e3)


QUICK_MODELS = {name: cost(2.0) for name in ("baseline", "baseline_again", "int8", "float16")}


@pytest.mark.parametrize(
    ("effort", "runs"), [("quick", 300), ("standard", 1000), ("thorough", 5000)]
)
def test_efforts_in_full(effort, runs):
    schedule = plan(QUICK_MODELS, effort, 3600, "baseline")
    assert {schedule.total_runs(name) for name in QUICK_MODELS} == {runs}
    assert schedule.groups >= 4
    assert schedule.all_rounds >= MIN_ROUNDS


def test_slower_candidates_get_fewer_runs_but_some_in_every_round():
    models = {**QUICK_MODELS, "int8_dynamic": cost(14.0), "a_bit_slower": cost(2.9)}
    schedule = plan(models, "standard", 3600, "baseline")
    assert schedule.total_runs("int8_dynamic") == schedule.all_rounds == 200
    assert schedule.total_runs("a_bit_slower") == 1000


def test_slower_is_judged_by_the_fastest_run():
    disturbed = Cost(open_s=0.05, run_s=0.006, fastest_s=0.002)
    schedule = plan({**QUICK_MODELS, "int8": disturbed}, "standard", 3600, "baseline")
    assert schedule.total_runs("int8") == 1000


@pytest.mark.parametrize("effort", ["quick", "standard", "thorough"])
@pytest.mark.parametrize("run_ms", [0.02, 5, 60, 400, 3000])
@pytest.mark.parametrize("budget_s", [60, 300, 1200, 3600])
def test_fits_the_budget_or_is_the_least_there_is(effort, run_ms, budget_s):
    models = {name: cost(run_ms) for name in QUICK_MODELS} | {"dynamic": cost(run_ms * 7)}
    schedule = plan(models, effort, budget_s, "baseline")
    assert schedule.all_rounds >= MIN_ROUNDS
    assert set(schedule.runs) == set(models)
    assert min(schedule.runs.values()) >= 1
    least = schedule.all_rounds == MIN_ROUNDS and max(schedule.runs.values()) == 1
    assert schedule.expected_s <= budget_s or least


def test_a_tight_budget_cuts_slower_candidates_before_the_others():
    models = {name: cost(50) for name in QUICK_MODELS} | {"dynamic": cost(2000)}
    schedule = plan(models, "standard", 250, "baseline")
    assert schedule.runs["dynamic"] == 1
    assert schedule.runs["baseline"] == schedule.runs["int8"] > 1


def test_warm_up_is_a_second_and_ten_runs_unless_that_takes_too_long():
    assert cost(0.1).warm_up_s == 1.0
    assert cost(300).warm_up_s == pytest.approx(3.0)
    assert cost(1000).warm_up_s == 5.0
    assert cost(4000).warm_up_s == pytest.approx(12.0)
