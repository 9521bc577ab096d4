"""The record of an evaluation's steps: what is done, what is running, how long is left.

The story in :mod:`core.evaluation` runs each step through a :class:`Journal`. This one runs
them directly, for the command line; :mod:`core.jobs` has one that checkpoints each result, so
that an evaluation resumes at the step in which its worker died.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from core.records import Progress, Report, StepProgress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step to come, and the seconds it is expected to take."""

    name: str
    title: str
    seconds: float


class Journal:
    """Runs the steps of one evaluation in order and publishes their progress.

    Args:
        publish: Told each new :class:`~core.records.Progress`. If it raises, the running
            step is stopped and the exception leaves the evaluation: that is how cancel works.
        clock: Seconds; monotonic.
    """

    def __init__(
        self,
        publish: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publish = publish
        self._clock = clock
        self._started = clock()
        self._planned: tuple[PlannedStep, ...] = ()
        self._spent: dict[str, float] = {}
        self._step_started = self._started
        self._note = ""

    def plan(self, steps: Sequence[PlannedStep]) -> None:
        """Says which steps there will be; called again whenever more is known."""
        self._planned = tuple(steps)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the evaluation began."""
        return self._clock() - self._started

    def announce(self, words: str) -> None:
        """Says what happens between two steps."""
        self._say("", 0.0, words)

    def note(self, sentence: str) -> None:
        """Puts a sentence beside the progress from now on."""
        self._note = sentence

    def step(self, name: str, kind: Any, work: Callable[[Report], T]) -> T:
        """Runs one step.

        Args:
            name: A planned step's name; unique in the evaluation.
            kind: The type of the result, with which a checkpoint is written and read.
            work: Does it, and reports how far it is.

        Returns:
            What ``work`` returned, now or, where the step was done before, then.
        """
        self._step_started = self._clock()
        self._say(name, 0.0, "")
        result = self._run(
            name, kind, lambda: work(lambda part, words: self._say(name, part, words))
        )
        self._spent[name] = self._clock() - self._step_started
        return result

    def _run(self, name: str, kind: Any, work: Callable[[], T]) -> T:
        return work()

    def _say(self, name: str, part: float, words: str) -> None:
        now = self._clock()
        running = now - self._step_started
        steps = []
        remaining = 0.0
        for planned in self._planned:
            if planned.name in self._spent:
                steps.append(
                    StepProgress(
                        name=planned.name,
                        title=planned.title,
                        state="done",
                        seconds=self._spent[planned.name],
                    )
                )
            elif planned.name == name:
                left = running * (1 - part) / part if part > 0.05 else planned.seconds - running
                remaining += max(left, 0.0)
                steps.append(
                    StepProgress(name=name, title=planned.title, state="running", seconds=running)
                )
            else:
                remaining += planned.seconds
                steps.append(
                    StepProgress(
                        name=planned.name,
                        title=planned.title,
                        state="waiting",
                        seconds=planned.seconds,
                    )
                )
        elapsed = now - self._started
        whole = elapsed + remaining
        self._publish(
            Progress(
                steps=tuple(steps),
                fraction=elapsed / whole if whole > 0 else 0.0,
                words=words,
                elapsed_s=elapsed,
                remaining_s=remaining,
                note=self._note,
            )
        )
