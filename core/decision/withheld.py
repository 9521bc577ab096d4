"""The verdict "not enough evidence" in words: what is missing, and what to add."""

from __future__ import annotations

from collections.abc import Sequence

from core.decision import changes, explain, lines, rounds, sweep
from core.decision.assess import Assessment
from core.decision.case import Case, draws_range, evidence, figures
from core.protocol import AA_BAND, MAX_CALIBRATION
from core.records import AACheck, Accuracy, Finding, Verdict


def implausible(case: Case, errors: Sequence[Finding]) -> Verdict:
    """The baseline or the dataset cannot carry a verdict."""
    return _no_evidence(
        case,
        f"Mend the inputs first, then measure again. {errors[0].sentence}",
        tuple(error.sentence for error in errors),
        ("Check the preprocessing and the labels, then evaluate again.",),
    )


def baseline_unmeasured(case: Case) -> Verdict:
    """There is nothing to compare with."""
    missing = "latency" if case.baseline.latency is None else "accuracy"
    return _no_evidence(
        case,
        f"Measure the baseline first: its {missing} is not known, so nothing can be compared.",
        (case.baseline.reason or f"The {missing} of the baseline was not measured.",),
        ("Evaluate again with a larger time budget.",),
    )


def too_busy(case: Case, aa_check: AACheck | None) -> Verdict:
    """The A/A check says that the stopwatch cannot be trusted."""
    if aa_check is None:
        return _no_evidence(
            case,
            "Measure again: the baseline was not timed against itself, so no speed-up can be "
            "trusted.",
            ("The A/A check was not made.",),
            ("Evaluate again with a larger time budget.",),
        )
    ratio = f"{explain.times(aa_check.ratio)} ({aa_check.low:.3f} to {aa_check.high:.3f})"
    band = f"{1 - AA_BAND:.2f} and {1 + AA_BAND:.2f}"
    runs = case.baseline.latency.runs if case.baseline.latency is not None else 0
    needed = rounds.aa_runs_needed(aa_check, runs)
    quieter = "Stop other work on this machine, or use another, and evaluate again."
    change = f"An A/A interval that contains 1 and lies between {band}"
    if needed is None:
        sentence = "Measure again when the machine is less busy"
        steps: tuple[str, ...] = (quieter,)
        change = f"{change}; more runs would not bring it there."
    else:
        sentence = "Measure again with more runs, or when the machine is less busy"
        steps = (rounds.where(needed), quieter)
        change = (
            f"{change}: about {needed:,} runs instead of {runs:,} would give one if the ratio "
            "stays."
        )
    return _no_evidence(
        case,
        f"{sentence}: the baseline timed against itself gave {ratio}, so speed-ups measured with "
        "it cannot be trusted.",
        (f"The A/A ratio is {ratio}: it must contain 1 and lie between {band}.",),
        steps,
        (change,),
    )


def unsteady(case: Case, item: Assessment) -> Verdict:
    """A candidate that passes, and would not with other samples to calibrate it."""
    name, limit = item.candidate.id, case.policy.max_drop_points
    calibration = case.dataset.splits.calibration
    if calibration < MAX_CALIBRATION:
        sentence = "Add calibration samples"
        step = (
            f"Add samples, so that more than {calibration:,} are there to calibrate with: the "
            "ranges then depend less on which are drawn."
        )
    else:
        sentence = "Look for a steadier recipe"
        step = (
            f"More samples do not help, as {calibration:,} calibrate already: keep the baseline, "
            "or allow a larger drop."
        )
    return _about(
        case,
        item,
        f"{sentence} before you ship {name}: calibrated with other halves of the calibration "
        f"samples it drops {draws_range(item.candidate)}, and you allow {explain.points(limit)}.",
        (step,),
    )


def undecided(case: Case, item: Assessment) -> Verdict:
    """The best candidate would do, if its open figure turned out well."""
    name, accuracy = item.candidate.id, item.accuracy
    if item.gain_open:
        return _gain_open(case, item)
    if accuracy is None:
        sentence = f"Measure the accuracy of {name} first: without it nothing can be shipped."
        return _about(case, item, sentence, ("Evaluate again with a larger time budget.",))
    if not item.is_confirmed:
        return _about(
            case,
            item,
            f"Confirm {name} on samples that had no part in choosing it: "
            f"{lines.offer(case, item)}.",
            (f"Evaluate again with only the method of {name}, on new samples.",),
        )
    if accuracy.gate == "pass":
        return _about(
            case,
            item,
            f"Time {name} once more before you ship it: {lines.offer(case, item)}, but that is "
            "from the run in which candidates were chosen.",
            (f"Evaluate again with only the method of {name}.",),
        )
    return _more_samples(case, item, accuracy)


def none_made(case: Case) -> Verdict:
    """Every recipe failed."""
    return _no_evidence(
        case,
        "Mend the model or allow more time: none of the recipes could be carried out, so nothing "
        "was compared.",
        lines.others(case, None),
        ("Simplify the model (fixed shapes, constants folded) and evaluate again.",),
    )


def _gain_open(case: Case, item: Assessment) -> Verdict:
    """Its gain was not measured, or its interval is too wide to show it."""
    name, latency = item.candidate.id, item.candidate.latency
    if latency is None or not item.undecided:
        missing = "latency" if latency is None else "file size"
        return _about(
            case,
            item,
            f"Measure the {missing} of {name} first: without it no gain can be shown.",
            ("Evaluate again with a larger time budget or fewer methods.",),
        )
    gain, limit = min(item.undecided.items(), key=lambda each: each[1])
    return _about(
        case,
        item,
        f"Measure more runs before you decide on {name}: {lines.offer(case, item)}, which does "
        f"not show yet {rounds.shown(item, gain, limit)}.",
        (rounds.where(rounds.runs_needed(latency.speedup, latency.runs, limit)),),
    )


def _more_samples(case: Case, item: Assessment, accuracy: Accuracy) -> Verdict:
    name, limit = item.candidate.id, case.policy.max_drop_points
    known = (
        f"its accuracy drop is only known to be within "
        f"{explain.points_range(accuracy.drop_points)} ({evidence(accuracy, case)}), "
        f"and you allow {explain.points(limit)}"
    )
    if accuracy.drop_points.high <= limit:
        known = (
            f"{explain.count(accuracy.samples, 'sample')} are fewer than can prove a drop of "
            f"at most {explain.points(limit)} where no answer changes"
        )
    return _about(
        case,
        item,
        f"Add samples before you decide on {name}: {lines.offer(case, item)}, but {known}.",
        (
            changes.samples_to_add(item, case)
            or f"{name} drops {explain.points(accuracy.drop_points.value)} on these samples: more "
            "would rather show that this is too much.",
        ),
    )


def _about(case: Case, item: Assessment, sentence: str, steps: Sequence[str]) -> Verdict:
    """A verdict that waits for more to be known of one candidate."""
    spare = [
        f"Meanwhile {other.candidate.id} passes: {lines.offer(case, other)}."
        for other in case.items
        if other.is_fp16 and other.standing in ("proven", "passed") and other.gain
    ]
    return _no_evidence(
        case,
        sentence,
        (*figures(item, case), *sweep.lines(item, case)),
        (*steps, *spare),
        changes.to_yes(item, case),
        lines.others(case, item),
    )


def _no_evidence(
    case: Case,
    sentence: str,
    reasons: Sequence[str],
    next_steps: Sequence[str],
    would_change: Sequence[str] = (),
    others: Sequence[str] = (),
) -> Verdict:
    return Verdict(
        outcome="not_enough_evidence",
        candidate=None,
        sentence=sentence,
        reasons=(*reasons, *lines.baseline(case), *lines.target(case), *others),
        next_steps=tuple(next_steps),
        would_change=tuple(would_change),
    )
