"""The search for the best candidate: the short list first, then refinements of its best.

Successive halving (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
Hyperparameter Optimization", 2016) in the evaluation's own terms: every recipe of a stage answers
the first part of the *search* split, what is beyond saving there ends, and of the rest the better
half answers all of it. Whatever was tried stays as a row with its reason. The search ends when a
candidate's accuracy is safe and nothing is left that could make it faster, when its stages are
through, or when its share of the time budget is spent; what was best until then is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from typing import Final

from core import steps, trials
from core.accuracy import observed_plan
from core.bench import BASELINE, Baseline, Bench, Trial
from core.decision import explain, pareto_front
from core.journal import Journal, PlannedStep
from core.measurement import rank_speed
from core.plan import blocks_step, check_step, make_step, rank_step
from core.protocol import MOST_TIMED
from core.quantization import ACCURACY_STAGES, Stage, accuracy_order, best_of, refine
from core.records import (
    Candidate,
    Guidance,
    Method,
    Ratio,
    Recipe,
    Report,
    SamplePlan,
    Sensitivity,
)

_MAKING_SHARE = 0.5
"""Part of the time budget after which no further recipe is tried."""
_BLOCKS_SHARE = 0.04
"""Part of the time budget that looking at single blocks may take."""
_LEAST_LOOKED_AT = 50
_SAFE_SHARE = 0.25
"""Of the largest drop: an observed one within it leaves the gate room for chance."""
_INT8: Final[tuple[Method, ...]] = ("int8_dynamic", "int8_static", "int8_weight_only")
_OVERTAKEN = "Set aside: others are at least as fast, as small and as accurate on the search split."


class Search:
    """Tries recipes on one bench.

    Args:
        bench: What the evaluation works on.
        baseline: Its answers and its latency.
        guidance: Names the method whose accuracy has to be safe.
        journal: Runs and remembers the steps.
        told: Hears of all recipes and of all steps of the search whenever there are more.

    Attributes:
        rows: All candidates in the order they were tried.
        sample_plan: What the data can prove, from the first candidate of the advised method.
        sensitivity: Block by block, of the best static recipe; None where that was not needed.
    """

    def __init__(
        self,
        bench: Bench,
        baseline: Baseline,
        guidance: Guidance,
        journal: Journal,
        told: Callable[[Sequence[Recipe], Sequence[PlannedStep]], None],
    ) -> None:
        self.rows: list[Candidate] = []
        self.sample_plan: SamplePlan | None = None
        self.sensitivity: Sensitivity | None = None
        self._bench = bench
        self._baseline = baseline
        self._advised = guidance.method
        self._journal = journal
        self._told = told
        self._p50_ms = baseline.latency.latencies[BASELINE.id].p50_ms.value
        self._recipes: list[Recipe] = []
        self._steps: list[PlannedStep] = []

    def run(self, recipes: Sequence[Recipe], *, refining: bool) -> None:
        """Tries the short list and, where there are samples to choose by, refines its best.

        Args:
            recipes: The short list, cheap ones first.
            refining: Whether more recipes may follow.
        """
        self._expect(*(self._make_step(recipe) for recipe in recipes), recipes=recipes)
        for recipe in recipes:
            if not self._has_time:
                self.rows.append(trials.out_of_time(recipe))
                continue
            self.rows.append(self._look(recipe, on_all=True).candidate)
            self._plan_again(self.rows[-1])
        if not refining:
            return
        if self._bench.profile.family != "rnn":  # its LSTMs have no static form
            self._mend_accuracy()
        if self._advised == "int8_static":
            self._look_at_blocks()
            self._stage("faster")
            self._stage("equalized")
        asked = self._bench.request.methods
        if not self._has_safe(*_INT8) and (asked is None or "int8_weight_only" in asked):
            self._stage("storage")

    def finalists(self) -> list[Candidate]:
        """The rows, with all but the most promising set aside.

        Where there are more than can be timed at once, a short interleaved run ranks them. The
        plain recipe and the best of each method stay, and the front of speed, drop and size.
        """
        made = [row for row in self.rows if row.file is not None]
        if len(made) <= MOST_TIMED:
            return self.rows
        self._expect(rank_step(len(made), self._p50_ms))
        speeds = self._journal.step(
            "rank", dict[str, Ratio], lambda report: self._rank(made, report)
        )
        ranked = [replace(row, search_speedup=speeds.get(row.id)) for row in self.rows]
        kept = _most_promising(ranked)
        self.rows = [
            self._set_aside(row, row.reason if row.status == "rejected" else _OVERTAKEN)
            if row.file is not None and row.id not in kept
            else row
            for row in ranked
        ]
        return self.rows

    @property
    def safe(self) -> frozenset[str]:
        """Ids of the candidates that will probably pass the gate on *confirm*."""
        return frozenset(row.id for row in self.rows if self._probably_passes(row))

    def _expect(self, *steps: PlannedStep, recipes: Sequence[Recipe] = ()) -> None:
        self._steps += steps
        self._recipes += recipes
        self._told(self._recipes, self._steps)

    def _make_step(self, recipe: Recipe) -> PlannedStep:
        return make_step(recipe, self._p50_ms, self._bench.prepared.profile.splits)

    def _mend_accuracy(self) -> None:
        for stage in ACCURACY_STAGES:
            if self._has_safe(self._advised) or self._has_changed_nothing("int8_static"):
                return
            if stage == "selective":
                self._look_at_blocks()
            self._stage(stage)

    def _stage(self, stage: Stage) -> None:
        """Tries what a stage adds: all on a first look, the better half on all of *search*."""
        recipes = refine(stage, self.rows, self._bench.profile, self.sensitivity)
        self._expect(*(self._make_step(recipe) for recipe in recipes), recipes=recipes)
        looked = [self._look(recipe, on_all=False) for recipe in recipes if self._has_time]
        running = [trial.candidate for trial in looked if trial.candidate.status == "measured"]
        running.sort(key=accuracy_order)
        # Who is faster is not known yet, so where that is the question all go on.
        kept = len(running) if stage == "faster" else ceil(len(running) / 2)
        better = {row.id: row.recipe for row in running[:kept]}
        splits = self._bench.prepared.profile.splits
        self._expect(*(check_step(recipe, self._p50_ms, splits) for recipe in better.values()))
        for trial in looked:
            row = trial.candidate
            if row.id in better:
                row = self._check(trial)
            elif row.status == "measured":
                row = self._set_aside(row, _outdone(row, running[0]))
            self.rows.append(row)

    def _look(self, recipe: Recipe, *, on_all: bool) -> Trial:
        search = self._bench.prepared.profile.splits.search
        first = min(search, max(ceil(search / 4), _LEAST_LOOKED_AT))
        return self._journal.step(
            f"make:{recipe.id}",
            Trial,
            lambda report: trials.try_recipe(
                self._bench, recipe, self._baseline, first, on_all, report
            ),
        )

    def _check(self, trial: Trial) -> Candidate:
        return self._journal.step(
            f"check:{trial.candidate.id}",
            Candidate,
            lambda report: trials.answer_the_rest(self._bench, trial, self._baseline, report),
        )

    def _look_at_blocks(self) -> None:
        best = best_of(self.rows, "int8_static")
        if self.sensitivity is not None or best is None or not self._has_time:
            return
        self._expect(blocks_step(self._p50_ms))
        budget_s = _BLOCKS_SHARE * self._bench.request.time_budget_s
        self.sensitivity = self._journal.step(
            "blocks",
            Sensitivity | None,
            lambda report: trials.look_at_blocks(self._bench, best, budget_s, report),
        )

    def _rank(self, rows: Sequence[Candidate], report: Report) -> dict[str, Ratio]:
        steps.write_missing(self._bench, rows, report)
        return rank_speed(
            steps.paths_of(self._bench, rows),
            self._bench.prepared,
            self._bench.request.deployment,
            baseline=BASELINE.id,
            baseline_s=self._p50_ms / 1000,
            seed=self._bench.request.seed,
            report=report,
        )

    def _set_aside(self, row: Candidate, reason: str) -> Candidate:
        self._bench.path_of(row.id).unlink(missing_ok=True)
        return replace(row, status="rejected", reason=reason, file=None)

    @property
    def _has_time(self) -> bool:
        return self._journal.elapsed_s < _MAKING_SHARE * self._bench.request.time_budget_s

    def _has_safe(self, *methods: Method) -> bool:
        safe = self.safe
        return any(row.id in safe and row.recipe.method in methods for row in self.rows)

    def _has_changed_nothing(self, method: Method) -> bool:
        """Whether nothing is left to mend: the samples may be too few, the answers are the same."""
        best = best_of(self.rows, method)
        accuracy = best.search_accuracy if best is not None else None
        return accuracy is not None and accuracy.agreement == 1

    def _probably_passes(self, row: Candidate) -> bool:
        """Whether so few answers changed, at so little loss, that *confirm* will likely agree."""
        accuracy, policy = row.search_accuracy, self._bench.request.policy
        if row.status != "measured" or accuracy is None:
            return False
        if accuracy.drop_points.value > _SAFE_SHARE * policy.max_drop_points:
            return False
        return observed_plan(self._bench.prepared.profile.splits, policy, accuracy).is_likely

    def _plan_again(self, row: Candidate) -> None:
        """Says what the data can prove, from the flips of a candidate of the advised method."""
        if self.sample_plan is not None or row.recipe.method != self._advised:
            return
        if row.search_accuracy is None:
            return
        splits, policy = self._bench.prepared.profile.splits, self._bench.request.policy
        self.sample_plan = observed_plan(splits, policy, row.search_accuracy)
        self._journal.note(explain.sample_plan(self.sample_plan))


def _most_promising(rows: Sequence[Candidate]) -> frozenset[str]:
    """Each method as people know it, the best of each, then the front, the fastest first.

    "Twice as fast, but it loses forty points" is an answer that people look for.
    """
    methods = dict.fromkeys(row.recipe.method for row in rows)
    plain = [row.id for row in rows if row.id == row.recipe.method and row.file is not None]
    best = [row.id for method in methods if (row := best_of(rows, method)) is not None]
    front = [name for name in pareto_front(rows) if name != BASELINE.id]
    return frozenset(list(dict.fromkeys(plain + best + front))[:MOST_TIMED])


def _outdone(row: Candidate, best: Candidate) -> str:
    samples = row.search_accuracy.samples if row.search_accuracy else 0
    return f"Set aside after {samples} search samples: {best.id} keeps more of the accuracy there."
