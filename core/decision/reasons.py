"""A verdict in words: the sentence, its reasons, what next, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence

from core.decision import changes, explain
from core.decision.assess import Assessment, meets_target
from core.decision.case import Case, describe, drop_bound, evidence, figures, objections
from core.records import AACheck, Candidate, Finding, Guidance, Latency, Outcome, Verdict

_VNNI_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def nothing_to_do(guidance: Guidance) -> Verdict:
    """No method suits the model."""
    return Verdict(
        outcome="not_worth_it",
        candidate=None,
        sentence=f"Keep the model as it is. {guidance.reasons[0]}",
        reasons=guidance.reasons,
        next_steps=(),
        would_change=(),
    )


def implausible(errors: Sequence[Finding]) -> Verdict:
    """The baseline or the dataset cannot carry a verdict."""
    return _no_evidence(
        f"Mend the inputs first, then measure again. {errors[0].sentence}",
        tuple(error.sentence for error in errors),
        ("Check the preprocessing and the labels, then evaluate again.",),
    )


def baseline_unmeasured(baseline: Candidate) -> Verdict:
    """There is nothing to compare with."""
    missing = "latency" if baseline.latency is None else "accuracy"
    return _no_evidence(
        f"Measure the baseline first: its {missing} is not known, so nothing can be compared.",
        (baseline.reason or f"The {missing} of the baseline was not measured.",),
        ("Evaluate again with a larger time budget.",),
    )


def too_busy(aa_check: AACheck | None) -> Verdict:
    """The A/A check says that the stopwatch cannot be trusted."""
    if aa_check is None:
        return _no_evidence(
            "Measure again: the baseline was not timed against itself, so no speed-up can be "
            "trusted.",
            ("The A/A check was not made.",),
            ("Evaluate again with a larger time budget.",),
        )
    ratio = f"{explain.times(aa_check.ratio)} ({aa_check.low:.3f} to {aa_check.high:.3f})"
    return _no_evidence(
        "Measure again when the machine is less busy: the baseline timed against itself gave "
        f"{ratio}, so speed-ups measured with it cannot be trusted.",
        (f"The A/A ratio is {ratio}: it must contain 1 and lie between 0.95 and 1.05.",),
        (
            "Stop other work on this machine, or use another, and evaluate again.",
            "Give more effort: more rounds make the interval narrower.",
        ),
        ("An A/A interval that contains 1 and lies between 0.95 and 1.05.",),
    )


def faster(case: Case, item: Assessment) -> Verdict:
    """An INT8 candidate that is proven and faster."""
    left = len(item.candidate.recipe.left_in_float)
    outcome: Outcome = "quantize_selectively" if left else "ship"
    name = item.candidate.id
    start = (
        f"Quantize selectively with {name}, {explain.count(left, 'node')} left in FP32"
        if left
        else f"Ship {name}"
    )
    return _yes(case, item, outcome, f"{start}: {_gains(case, item)}.")


def smaller(case: Case, item: Assessment) -> Verdict:
    """An INT8 candidate that is proven and smaller, with no speed-up that counts."""
    sentence = f"Ship {item.candidate.id} for its size: {_gains(case, item, size_first=True)}."
    return _yes(case, item, "ship_for_size", sentence)


def fp16(case: Case, item: Assessment) -> Verdict:
    """FP16 holds the accuracy where INT8 does not pay."""
    gains = _gains(case, item, size_first=True)
    why = "INT8 does not pay here"
    if any(other.gain is not None and not other.is_fp16 for other in case.items):
        why = "no INT8 candidate that gains is proven to keep the accuracy you ask for"
    sentence = f"Try FP16, as {why}: {gains}; its speed on a GPU was not measured here."
    return _yes(case, item, "try_fp16", sentence)


def undecided(case: Case, item: Assessment) -> Verdict:
    """The best candidate would do, if its open figure turned out well."""
    name, accuracy = item.candidate.id, item.accuracy
    steps: list[str] = []
    if item.gain_unmeasured:
        sentence = f"Measure the latency of {name} first: without it no gain can be shown."
        steps.append("Evaluate again with a larger time budget or fewer methods.")
    elif accuracy is None:
        sentence = f"Measure the accuracy of {name} first: without it nothing can be shipped."
        steps.append("Evaluate again with a larger time budget.")
    elif accuracy.gate == "pass" or accuracy.split != "confirm":
        sentence = (
            f"Confirm {name} on samples that had no part in choosing it: {_offer(case, item)}."
        )
        steps.append(f"Evaluate again with only the method of {name}, on new samples.")
    else:
        limit = case.policy.max_drop_points
        known = (
            f"its accuracy drop is only known to be within "
            f"{explain.points_range(accuracy.drop_points)} ({evidence(accuracy, case.policy)}), "
            f"and you allow {explain.points(limit)}"
        )
        if accuracy.drop_points.high <= limit:
            known = (
                f"{explain.count(accuracy.samples, 'sample')} are fewer than can prove a drop of "
                f"at most {explain.points(limit)} where no answer changes"
            )
        sentence = f"Add samples before you decide on {name}: {_offer(case, item)}, but {known}."
        more = changes.samples_to_add(item, case)
        steps.append(
            more
            or f"{name} drops {explain.points(accuracy.drop_points.value)} on these samples: more "
            "would rather show that this is too much."
        )
    spare = [
        f"Meanwhile {other.candidate.id} passes: {_offer(case, other)}."
        for other in case.items
        if other.is_fp16 and other.standing in ("proven", "passed") and other.gain
    ]
    return _no_evidence(
        sentence,
        (*figures(item, case), *_others(case, item)),
        (*steps, *spare),
        changes.to_yes(item, case),
    )


def none_made(case: Case) -> Verdict:
    """Every recipe failed."""
    return _no_evidence(
        "Mend the model or allow more time: none of the recipes could be carried out, so nothing "
        "was compared.",
        _others(case, None),
        ("Simplify the model (fixed shapes, constants folded) and evaluate again.",),
    )


def not_worth_it(case: Case) -> Verdict:
    """Nothing gains, or what gains loses too much."""
    best = next(iter(case.items), None)
    against = "; ".join(objections(best, case)) if best is not None else ""
    if best is None:
        sentence = "Keep the baseline: there was nothing to compare it with."
    elif best.gain is None and "speed" in case.policy.gains and not case.speed_counts:
        sentence = (
            "Keep the baseline: it meets the latency target already, so more speed would be an "
            f"optimisation, not a fix; the best candidate, {best.candidate.id}, {_is(against)}."
        )
    elif against:
        sentence = f"Keep the baseline: the best candidate, {best.candidate.id}, {_is(against)}."
    else:
        sentence = (
            f"Keep the baseline: the best candidate, {best.candidate.id}, probably drops more "
            f"accuracy than you allow: {_offer(case, best)}."
        )
    steps = ["Keep serving the baseline."]
    if case.machine is not None and _lacks_vnni(case.machine.architecture, case.machine.flags):
        steps.append(
            "This CPU has no VNNI instructions, which INT8 gains most from: where you serve on a "
            "CPU with them, measure there."
        )
    if any(item.is_fp16 and item.standing != "failed" for item in case.items):
        steps.append("Where you serve on a GPU, measure FP16 there: it was not measured here.")
    would_change = [line for item in case.items for line in changes.to_yes(item, case)]
    return Verdict(
        outcome="not_worth_it",
        candidate=None,
        sentence=sentence,
        reasons=(*_target(case), *_others(case, None)),
        next_steps=tuple(steps),
        would_change=tuple(would_change),
    )


def _yes(case: Case, item: Assessment, outcome: Outcome, sentence: str) -> Verdict:
    steps = ["Download the file, and try it beside the baseline on a part of the real traffic."]
    latency = item.candidate.latency
    if latency is not None and latency.p99_ms is None:
        steps.append("Evaluate with the standard effort to know its p99.")
    if outcome == "try_fp16":
        steps.append("Measure the file on the GPU that you would serve with.")
    if case.machine is not None:
        steps.append(
            f"This holds for {case.machine.cpu_model}: on other machines it was not measured."
        )
    return Verdict(
        outcome=outcome,
        candidate=item.candidate.id,
        sentence=sentence,
        reasons=(*figures(item, case), *_target(case, item), *_others(case, item)),
        next_steps=tuple(steps),
        would_change=changes.to_no(item, case),
    )


def _no_evidence(
    sentence: str,
    reasons: Sequence[str],
    next_steps: Sequence[str],
    would_change: Sequence[str] = (),
) -> Verdict:
    return Verdict(
        outcome="not_enough_evidence",
        candidate=None,
        sentence=sentence,
        reasons=tuple(reasons),
        next_steps=tuple(next_steps),
        would_change=tuple(would_change),
    )


def _offer(case: Case, item: Assessment, *, size_first: bool = False) -> str:
    """Such as ``1.6-1.8x faster (p50 4.12 ms instead of 6.93 ms), 74% smaller``."""
    parts = []
    latency, baseline = item.candidate.latency, case.baseline.latency
    if latency is not None and baseline is not None:
        parts.append(f"{explain.speed(latency.speedup)} ({explain.p50_instead(latency, baseline)})")
    if item.candidate.size_bytes is not None and case.baseline.size_bytes:
        change = explain.size_change(item.candidate.size_bytes, case.baseline.size_bytes)
        parts.insert(0 if size_first else len(parts), change)
    return ", ".join(parts)


def _gains(case: Case, item: Assessment, *, size_first: bool = False) -> str:
    """What a candidate offers and the bound of its drop."""
    offer = _offer(case, item, size_first=size_first)
    return f"{offer}, {drop_bound(item.accuracy, case.policy)}" if item.accuracy else offer


def _target(case: Case, item: Assessment | None = None) -> tuple[str, ...]:
    """What the latency target says about the baseline and the candidate."""
    policy, baseline = case.policy, case.baseline.latency
    if policy.latency_target_ms is None or baseline is None:
        return ()
    target = explain.milliseconds(policy.latency_target_ms)
    mine = _figure(baseline)
    if meets_target(baseline, policy):
        return (
            f"The baseline meets the latency target of {target} already ({mine}): speed is no "
            "reason here, it would be an optimisation, not a fix.",
        )
    if item is None or item.candidate.latency is None:
        return (f"The baseline misses the latency target of {target} ({mine}).",)
    its = _figure(item.candidate.latency)
    met = meets_target(item.candidate.latency, policy)
    return (
        f"{item.candidate.id} {'meets' if met else 'misses'} the latency target of {target} "
        f"({its}), which the baseline misses ({mine}).",
    )


def _figure(latency: Latency) -> str:
    name, value = explain.target_figure(latency)
    return f"{name} up to {explain.milliseconds(value)}"


def _others(case: Case, item: Assessment | None) -> tuple[str, ...]:
    """A line about each other candidate, and about each that could not be made."""
    made = [describe(other, case) for other in case.items if other is not item]
    return (*made, *(f"{each.id}: not made. {each.reason}" for each in case.failures))


def _is(against: str) -> str:
    return against if against.startswith(("loses", "its")) else f"is {against}"


def _lacks_vnni(architecture: str, flags: Sequence[str]) -> bool:
    return architecture in ("x86_64", "AMD64") and not _VNNI_FLAGS.intersection(flags)
