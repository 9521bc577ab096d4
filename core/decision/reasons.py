"""A yes or a no in words: the sentence, its reasons, what next, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence

from core.decision import cautions, changes, explain, lines, sweep
from core.decision.assess import Assessment
from core.decision.case import Case, figures, objections
from core.records import Guidance, Outcome, Verdict

_VNNI_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def nothing_to_do(case: Case, guidance: Guidance) -> Verdict:
    """No method suits the model."""
    return Verdict(
        outcome="not_worth_it",
        candidate=None,
        sentence=f"Keep the model as it is. {guidance.reasons[0]}",
        reasons=(*guidance.reasons, *lines.baseline(case), *lines.target(case)),
        next_steps=("Keep serving the baseline.",),
        would_change=(),
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
    return _yes(case, item, outcome, f"{start}: {lines.gains(case, item)}.")


def smaller(case: Case, item: Assessment) -> Verdict:
    """An INT8 candidate that is proven and smaller, with no speed-up that counts."""
    sentence = f"Ship {item.candidate.id} for its size: {lines.gains(case, item, size_first=True)}."
    return _yes(case, item, "ship_for_size", sentence)


def fp16(case: Case, item: Assessment) -> Verdict:
    """FP16 holds the accuracy where INT8 does not pay."""
    gains = lines.gains(case, item, size_first=True)
    why = "INT8 does not pay here"
    if any(other.gain is not None and not other.is_fp16 for other in case.items):
        why = "no INT8 candidate that gains is proven to keep the accuracy you ask for"
    sentence = f"Try FP16, as {why}: {gains}; its speed on a GPU was not measured here."
    return _yes(case, item, "try_fp16", sentence)


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
            f"accuracy than you allow: {lines.offer(case, best)}."
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
        reasons=(
            *lines.target(case),
            *(sweep.lines(best, case) if best is not None else ()),
            *lines.others(case, None),
            *lines.baseline(case),
        ),
        next_steps=tuple(steps),
        would_change=tuple(would_change),
    )


def _yes(case: Case, item: Assessment, outcome: Outcome, sentence: str) -> Verdict:
    steps = [
        *cautions.class_steps(item, case),
        "Download the file, and try it beside the baseline on a part of the real traffic.",
    ]
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
        reasons=(
            *figures(item, case),
            *cautions.class_lines(item, case),
            *cautions.metric_lines(item, case),
            *lines.target(case, item),
            *sweep.lines(item, case),
            *lines.others(case, item),
        ),
        next_steps=tuple(steps),
        would_change=changes.to_no(item, case),
    )


def _is(against: str) -> str:
    return against if against.startswith(("loses", "its")) else f"is {against}"


def _lacks_vnni(architecture: str, flags: Sequence[str]) -> bool:
    return architecture in ("x86_64", "AMD64") and not _VNNI_FLAGS.intersection(flags)
