from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from core.journal import Journal, PlannedStep
from core.records import Progress, Report

STEPS = (
    PlannedStep("read", "Read the model", 2.0),
    PlannedStep("time", "Time it", 10.0),
    PlannedStep("confirm", "Confirm", 4.0),
)


@dataclass
class Watched:
    """A journal, its clock, and all that it published."""

    now: float = 100.0
    said: list[Progress] = field(default_factory=list)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.said.append, lambda: self.now)

    def work(self, seconds: float, result: str = "done") -> str:
        self.now += seconds
        return result

    @property
    def states(self) -> list[tuple[str, str, float]]:
        return [(step.name, step.state, step.seconds) for step in self.said[-1].steps]


@pytest.fixture
def watched() -> Watched:
    watched = Watched()
    watched.journal.plan(STEPS)
    return watched


def test_a_step_returns_what_its_work_returns(watched: Watched) -> None:
    assert watched.journal.step("read", str, lambda _report: watched.work(2, "model")) == "model"
    assert watched.journal.elapsed_s == 2


def test_steps_are_waiting_then_running_then_done(watched: Watched) -> None:
    watched.journal.step("read", str, lambda _report: watched.work(3))
    assert watched.states == [
        *(("read", "running", 0.0), ("time", "waiting", 10.0), ("confirm", "waiting", 4.0)),
    ]
    watched.journal.step("time", str, lambda _report: watched.work(1))
    assert watched.states == [
        *(("read", "done", 3.0), ("time", "running", 0.0), ("confirm", "waiting", 4.0)),
    ]
    watched.journal.announce("waiting for the machine")
    assert [state for _, state, _ in watched.states] == ["done", "done", "waiting"]
    assert watched.said[-1].words == "waiting for the machine"
    assert [step.title for step in watched.said[-1].steps] == [step.title for step in STEPS]


def test_the_remaining_time_follows_the_plan_then_the_step_itself(watched: Watched) -> None:
    def work(report: Report) -> None:
        assert watched.said[-1].remaining_s == 16  # as planned
        watched.now += 1
        report(0.01, "")
        assert watched.said[-1].remaining_s == 15  # too early to tell
        watched.now += 1
        report(0.1, "slow today")
        # 2 s for a tenth: 18 more, and 14 for the steps to come.
        assert watched.said[-1].remaining_s == pytest.approx(32)
        assert watched.said[-1].fraction == pytest.approx(2 / 34)
        assert (watched.said[-1].words, watched.said[-1].elapsed_s) == ("slow today", 2)

    watched.journal.step("read", type(None), work)


def test_a_step_that_takes_longer_than_planned_never_owes_time(watched: Watched) -> None:
    def work(report: Report) -> None:
        watched.now += 50
        report(0.0, "")
        assert watched.said[-1].remaining_s == 14

    watched.journal.step("read", type(None), work)


def test_the_whole_is_done_once_every_step_is(watched: Watched) -> None:
    assert watched.said == []
    for step in STEPS:
        watched.journal.step(step.name, str, lambda _report: watched.work(1))
    watched.journal.announce("")
    assert (watched.said[-1].fraction, watched.said[-1].remaining_s) == (1.0, 0.0)


def test_a_new_plan_keeps_what_is_done(watched: Watched) -> None:
    watched.journal.step("read", str, lambda _report: watched.work(3))
    watched.journal.plan([STEPS[0], PlannedStep("make", "Make", 1.0)])
    watched.journal.announce("")
    assert watched.states == [("read", "done", 3.0), ("make", "waiting", 1.0)]


def test_an_unplanned_step_runs_all_the_same(watched: Watched) -> None:
    assert watched.journal.step("extra", str, lambda _report: watched.work(1, "x")) == "x"
    assert [name for name, _, _ in watched.states] == ["read", "time", "confirm"]


def test_what_the_audience_raises_stops_the_step() -> None:
    begun: list[str] = []

    def publish(progress: Progress) -> None:
        if progress.words == "halfway":
            raise InterruptedError("cancelled")

    def work(report: Report) -> None:
        begun.append("work")
        report(0.5, "halfway")
        begun.append("never")

    with pytest.raises(InterruptedError):
        Journal(publish).step("read", type(None), work)
    assert begun == ["work"]


def test_what_the_work_raises_is_raised(watched: Watched) -> None:
    def work(_report: Report) -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        watched.journal.step("read", str, work)
    watched.journal.announce("")
    assert watched.states[0][:2] == ("read", "waiting")
