"""The verdict: a pure function of what was measured and of the policy.

The first row that applies decides. *Proven* means that the accuracy gate passed on samples that
had no part in choosing the candidate (confirm), or on search and confirm together, with all
candidates gated at once; a *gain* is a speed-up or a smaller file that counts under the policy
and was measured. It is *undecided* where the speed-up is above what it has to exceed, and its
lower bound is not (:func:`core.decision.assess.assess`).

==  ==========================================================  ====================
 #  when                                                        outcome
==  ==========================================================  ====================
 1  no method suits the model, and none was tried               not_worth_it
 2  a finding of severity error: the baseline is implausible,   not_enough_evidence
    or the dataset cannot carry a verdict
 3  the baseline's latency or accuracy was not measured         not_enough_evidence
 4  the A/A check failed or was not made                        not_enough_evidence
 5  an INT8 candidate is proven and gains speed: the fastest
    by its lower bound
    a. and is INT8 throughout                                   ship
    b. and has nodes left in FP32                               quantize_selectively
 6  an INT8 candidate is proven and gains size only:            ship_for_size
    the smallest
 7  an INT8 candidate gains and passed the gate, but drops      not_enough_evidence
    more than the threshold with other calibration draws
 8  an INT8 candidate has not failed the gate and is not        not_enough_evidence
    unlikely to pass it; those gated on confirm first
    a. it gains, and its accuracy is open, or was not
       confirmed, or it was not timed anew
    b. it gains nothing as yet: its gain is unmeasured
    c. it gains nothing as yet: its gain is undecided
 9  FP16 passes the gate, on confirm or search, and gains       try_fp16
10  FP16 gains, or its gain is unmeasured or undecided, and     not_enough_evidence
    its accuracy is open; or it passed, and its gain is
    unmeasured or undecided
11  recipes were tried, and none could be carried out           not_enough_evidence
12  otherwise: nothing gains, or what gains loses too much      not_worth_it
==  ==========================================================  ====================

So a larger drop, with the candidate's own calibration or another draw, and a wider interval of a
candidate can turn ``ship``, ``ship_for_size`` and ``quantize_selectively`` into another outcome,
and never another into these. FP16 may be named once INT8 has failed: it is what is left to try.
The order of the candidates does not matter. Single classes, other metrics, and other threads and
batch sizes add reasons to an outcome, and never decide it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from core.decision import reasons, withheld
from core.decision.assess import Assessment, assess, find_baseline
from core.decision.case import Case
from core.records import (
    AACheck,
    Accuracy,
    Candidate,
    DatasetProfile,
    Deployment,
    Finding,
    Guidance,
    Machine,
    Policy,
    SweepPoint,
    Verdict,
)

_AS_FAST = 1.02
"""How many times faster nobody would complicate a recipe for, nor tell from run to run."""


def choose(
    candidates: Sequence[Candidate], policy: Policy, safe: Collection[str] = ()
) -> str | None:
    """Picks the candidate to confirm, from what the search phase measured.

    Judged on search; where all candidates were gated at once on search and confirm together, on
    that, and those that are proven come first. Of those that gain and did not fail the gate:
    first those that will probably pass it on confirm, among these INT8 with a speed gain (fastest
    by its lower bound), INT8 with a size gain (smallest), FP16; then those whose observed drop is
    within the threshold, then the others, in the same order. What is added to the plain recipe of a
    method, as nodes left in FP32 or other ranges, wants a reason: where one with less of it is at
    most 2% slower, and observed to drop no more, it is picked instead.

    Args:
        candidates: With the baseline among them.
        policy: What the team asks for.
        safe: Ids of the candidates that will probably pass the gate on confirm.

    Returns:
        The candidate's id; None where nothing is worth confirming.
    """
    baseline = find_baseline(candidates)
    able = [
        item
        for item in _assessments(candidates, baseline, policy, choosing=True)
        if item.gain is not None and item.accuracy is not None and item.standing != "failed"
    ]
    if not able:
        return None

    def order(item: Assessment) -> tuple[int, bool, int, float, str]:
        return _doubt(item, policy, safe), *_rank(item)

    best = min(able, key=order)
    simpler = [
        item
        for item in able
        if _is_simpler(item, best) and _doubt(item, policy, safe) <= _doubt(best, policy, safe)
    ]
    return min(simpler or [best], key=lambda item: (_additions(item), *order(item))).candidate.id


def decide(
    *,
    guidance: Guidance,
    candidates: Sequence[Candidate],
    aa_check: AACheck | None,
    policy: Policy,
    dataset: DatasetProfile,
    baseline_findings: Sequence[Finding] = (),
    samples_needed: Mapping[str, int] | None = None,
    machine: Machine | None = None,
    chosen: str | None = None,
    sweep: Sequence[SweepPoint] = (),
    deployment: Deployment | None = None,
) -> Verdict:
    """Decides by the table of this module.

    Args:
        guidance: What was advised before the run.
        candidates: All rows, the baseline among them, in any order.
        aa_check: The baseline against itself, in the run that the latencies are from.
        policy: What the team asks for.
        dataset: Its splits and findings are read.
        baseline_findings: Of the check of the baseline's accuracy.
        samples_needed: By candidate whose gate is undecided: the confirm samples with which it
            would probably pass; without those that would not.
        machine: Where it was measured.
        chosen: The candidate that was timed anew and calibrated with other draws. Of those that
            passed the gate on search and confirm together only this one counts as proven; None:
            each does.
        sweep: The baseline and a candidate with other threads and batch sizes.
        deployment: What the latencies were measured with, for the sweep to be held against;
            without it nothing is said of the sweep.

    Raises:
        ValueError: The baseline is not among the candidates.
    """
    baseline = find_baseline(candidates)
    items = _assessments(candidates, baseline, policy, choosing=False)
    if chosen is not None:
        items = [_not_timed_anew(item) if item.candidate.id != chosen else item for item in items]
    failures = [c for c in candidates if c.status == "failed" and c is not baseline]
    case = Case(
        baseline=baseline,
        items=tuple(sorted(items, key=_rank)),
        failures=tuple(sorted(failures, key=lambda candidate: candidate.id)),
        policy=policy,
        dataset=dataset,
        samples_needed=dict(samples_needed or {}),
        machine=machine,
        sweep=tuple(sweep) if deployment is not None else (),
        deployment=deployment or Deployment(),
    )
    if guidance.method == "none" and len(candidates) == 1:
        return reasons.nothing_to_do(case, guidance)
    errors = [f for f in (*baseline_findings, *dataset.findings) if f.severity == "error"]
    if errors:
        return withheld.implausible(case, errors)
    if baseline.latency is None or baseline.accuracy is None:
        return withheld.baseline_unmeasured(case)
    if aa_check is None or not aa_check.passed:
        return withheld.too_busy(case, aa_check)
    return _compare(case)


def _compare(case: Case) -> Verdict:
    """Rows 5 to 12; ``case.items`` are in order, the best first."""
    int8 = [item for item in case.items if not item.is_fp16]
    fp16 = [item for item in case.items if item.is_fp16]
    proven = [item for item in int8 if item.standing == "proven"]
    for item in proven:
        if item.gain == "speed":
            return reasons.faster(case, item)
    for item in proven:
        if item.gain == "size":
            return reasons.smaller(case, item)
    for item in int8:
        if item.standing == "unsteady" and item.gain is not None:
            return withheld.unsteady(case, item)
    # What was gated on confirm is nearest to an answer.
    for item in sorted(int8, key=_unconfirmed):
        if _is_open(item):
            return withheld.undecided(case, item)
    for item in fp16:
        if item.standing in ("proven", "passed") and item.gain is not None:
            return reasons.fp16(case, item)
    for item in sorted(fp16, key=_unconfirmed):
        if _is_open(item):
            return withheld.undecided(case, item)
    if case.failures and not case.items:
        return withheld.none_made(case)
    return reasons.not_worth_it(case)


def _assessments(
    candidates: Sequence[Candidate], baseline: Candidate, policy: Policy, *, choosing: bool
) -> list[Assessment]:
    return [
        assess(each, baseline, policy, _searched(each) if choosing else each.accuracy)
        for each in candidates
        if each is not baseline and each.status != "failed" and not _was_set_aside(each)
    ]


def _was_set_aside(candidate: Candidate) -> bool:
    """Whether the search gave it up for better ones before it was timed."""
    return candidate.status == "rejected" and candidate.latency is None


def _searched(candidate: Candidate) -> Accuracy | None:
    """What a candidate is chosen by: on search, or on all samples where it was gated on these."""
    accuracy = candidate.accuracy
    if accuracy is not None and accuracy.split == "search+confirm":
        return accuracy
    return candidate.search_accuracy


def _not_timed_anew(item: Assessment) -> Assessment:
    shared = item.accuracy is not None and item.accuracy.split == "search+confirm"
    return replace(item, standing="passed") if shared and item.standing == "proven" else item


def _doubt(item: Assessment, policy: Policy, safe: Collection[str]) -> int:
    """Steps away from proven: 1 probably passes, 2 observed within the threshold, 3 above it."""
    if item.accuracy is None or item.accuracy.drop_points.value > policy.max_drop_points:
        return 3
    # Calibration is repeated for the candidate that was chosen, so it is no ground to choose.
    if item.standing in ("proven", "unsteady"):
        return 0
    return 1 if item.candidate.id in safe else 2


def _rank(item: Assessment) -> tuple[bool, int, float, str]:
    """Sorts the best first: INT8 before FP16, speed before size before no gain."""
    order = {"speed": 0, "size": 1, None: 2}[item.gain]
    figure = (item.size_reduction or 0.0) if item.gain == "size" else item.speed_low
    return item.is_fp16, order, -figure, item.candidate.id


def _additions(item: Assessment) -> int:
    """How much the recipe adds to its method's plain one."""
    recipe = item.candidate.recipe
    return sum(
        (
            bool(recipe.left_in_float),
            recipe.calibration != "minmax",
            not recipe.per_channel,
            recipe.equalize,
            recipe.smooth is not None,
            recipe.correct_bias,
            bool(recipe.im2col),
            bool(recipe.block_size),
        )
    )


def _is_simpler(item: Assessment, best: Assessment) -> bool:
    """Whether it adds less to the plain recipe than the best, and is measured to be no worse."""
    if _additions(item) >= _additions(best):
        return False
    if item.is_fp16 or item.gain != best.gain or item.accuracy is None or best.accuracy is None:
        return False
    latency, other = item.candidate.latency, best.candidate.latency
    return (
        latency is not None
        and other is not None
        and latency.speedup.ratio * _AS_FAST >= other.speedup.ratio
        and item.accuracy.drop_points.value <= best.accuracy.drop_points.value
    )


def _unconfirmed(item: Assessment) -> bool:
    return not item.is_confirmed


def _is_open(item: Assessment) -> bool:
    """Whether more evidence may make it a yes: its accuracy or its gain is not known yet."""
    if item.standing in ("failed", "unlikely"):
        return False
    return item.gain_open or (item.gain is not None and item.standing != "proven")
