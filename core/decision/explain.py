"""Figures in plain words: the one place where numbers become text, for verdicts and pages.

Ranges are rounded outwards and bounds to the safe side, so that a sentence never claims more
than was measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Final

from core.records import (
    Calibration,
    Candidate,
    Estimate,
    Latency,
    Method,
    Outcome,
    Ratio,
    Recipe,
    SamplePlan,
)

OUTCOME_TITLES: Final[dict[Outcome, str]] = {
    "ship": "Ship",
    "ship_for_size": "Ship for size only",
    "quantize_selectively": "Quantize selectively",
    "try_fp16": "Try FP16",
    "not_worth_it": "Not worth it",
    "not_enough_evidence": "Not enough evidence",
}
METHOD_TITLES: Final[dict[Method, str]] = {
    "none": "FP32, as uploaded",
    "float16": "FP16",
    "int8_dynamic": "INT8 dynamic",
    "int8_static": "INT8 static",
    "int8_weight_only": "INT8 weight-only",
}
_CALIBRATIONS: Final[dict[Calibration, str]] = {
    "minmax": "",
    "percentile": "percentile",
    "entropy": "entropy",
    "mse": "MSE",
}


def milliseconds(value: float) -> str:
    """Such as ``0.0524 ms``, ``4.12 ms``, ``69.3 ms``, ``119 ms``."""
    return f"{_three_digits(value)} ms"


def size(value: float) -> str:
    """Bytes in decimal units, such as ``812 kB`` or ``6.2 MB``."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= 0.9995 * factor:
            number = value / factor
            return f"{number:.0f} {unit}" if number >= 99.5 else f"{number:.1f} {unit}"
    return f"{value:.0f} bytes"


def big_number(value: int) -> str:
    """A count to three digits, such as ``987``, ``20.2 million`` or ``2.86 billion``."""
    for factor, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if value >= factor:
            return f"{_three_digits(value / factor)} {word}"
    return str(value)


def size_change(candidate: float, baseline: float) -> str:
    """Such as ``74% smaller``; both in bytes."""
    share = candidate / baseline - 1
    if abs(share) < 0.005:
        return "the same size"
    return f"{abs(share):.0%} {'smaller' if share < 0 else 'larger'}"


def percent(share: float) -> str:
    """A share of 0 to 1, such as ``97%``, ``99.5%``."""
    text = f"{100 * share:.1f}"
    return text.removesuffix(".0") + "%"


def percent_at_least(share: float) -> str:
    """A share of 0 to 1, rounded down."""
    return percent(floor(round(1000 * share, 6)) / 1000)


def points(value: float) -> str:
    """Points of accuracy, such as ``1.0 points``, ``0.78 points``, ``2.95 points``."""
    return f"{_hundredths(round(value, 2))} points"


def points_at_most(value: float) -> str:
    """An upper bound in points, rounded up."""
    return points(ceil(round(100 * value, 6)) / 100)


def points_at_least(value: float) -> str:
    """A lower bound in points, rounded down."""
    return points(floor(round(100 * value, 6)) / 100)


def points_range(estimate: Estimate) -> str:
    """An interval in points, such as ``-0.31 to 1.42 points``."""
    low = points_at_least(estimate.low).removesuffix(" points")
    return f"{low} to {points_at_most(estimate.high)}"


def times(value: float) -> str:
    """A ratio with two decimals, such as ``1.10x``."""
    return f"{value:.2f}x"


def fold(value: float) -> str:
    """A multiple in words, such as ``1.3 times`` or ``12.25 times``."""
    return f"{_hundredths(value)} times"


def speed(ratio: Ratio) -> str:
    """A speed-up's interval: ``1.6-1.8x faster``, ``6.2-7.1x slower``, ``0.97-1.03x as fast``."""
    if ratio.low >= 1:
        return f"{_range(ratio.low, ratio.high)} faster"
    if ratio.high <= 1:
        return f"{_range(1 / ratio.high, 1 / ratio.low)} slower"
    return f"{_range(ratio.low, ratio.high)} as fast"


def speed_short(ratio: Ratio) -> str:
    """A speed-up with its interval for a table, such as ``1.71x (1.66-1.75)``."""
    return f"{times(ratio.ratio)} ({ratio.low:.2f}-{ratio.high:.2f})"


def p50_instead(candidate: Latency, baseline: Latency) -> str:
    """Such as ``p50 4.12 ms instead of 6.93 ms``."""
    return (
        f"p50 {milliseconds(candidate.p50_ms.value)} instead of "
        f"{milliseconds(baseline.p50_ms.value)}"
    )


def rate(per_second: float) -> str:
    """Throughput, such as ``812 samples a second``."""
    number = f"{per_second:,.0f}" if per_second >= 99.5 else _three_digits(per_second)
    return f"{number} samples a second"


def count(number: int, noun: str) -> str:
    """Such as ``1 sample`` or ``1,240 samples``."""
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def listed(items: tuple[str, ...], word: str = "and") -> str:
    """Such as ``a, b and c``."""
    return f" {word} ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def recipe_title(recipe: Recipe) -> str:
    """A recipe's name for people: its method, and what sets it apart from the plain one.

    Such as ``INT8 static, percentile, 12 nodes in FP32`` or ``INT8 dynamic, fused``.
    """
    static = recipe.method == "int8_static"
    integer = recipe.method not in ("none", "float16")
    parts = (
        METHOD_TITLES[recipe.method],
        "fused" if recipe.fuse else "",
        _CALIBRATIONS[recipe.calibration] if static else "",
        "equalized" if recipe.equalize else "",
        "smoothed" if recipe.smooth is not None else "",
        "bias corrected" if recipe.correct_bias else "",
        "per tensor" if integer and not recipe.per_channel else "",
        f"{count(len(recipe.im2col), 'matrix product')}" if recipe.im2col else "",
        f"blocks of {recipe.block_size}" if recipe.block_size else "",
        f"{count(len(recipe.left_in_float), 'node')} in FP32" if recipe.left_in_float else "",
    )
    return ", ".join(filter(None, parts))


def candidate_titles(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Titles for people by id; where two recipes have the same, their ids tell them apart."""
    titles = {row.id: recipe_title(row.recipe) for row in candidates}
    times_used = Counter(titles.values())
    return {
        id: title if times_used[title] == 1 else f"{title} ({id})" for id, title in titles.items()
    }


def standing(candidate: Candidate, chosen: str | None, front: Sequence[str]) -> tuple[str, ...]:
    """What a candidate is among the others: ``baseline``, ``chosen``, ``front``, or given up."""
    tags = {
        "baseline": candidate.recipe.method == "none",
        "chosen": candidate.id == chosen,
        "front": candidate.id in front,
        candidate.status: candidate.status != "measured",
    }
    return tuple(tag for tag, holds in tags.items() if holds)


def trade_off(candidate: Candidate) -> str:
    """A measured candidate in three figures: ``2.82x, drop -0.90 to 0.90 points, 244 kB``."""
    latency, accuracy, bytes_ = candidate.latency, candidate.search_accuracy, candidate.size_bytes
    parts = (
        times(latency.speedup.ratio) if latency else "",
        f"drop {points_range(accuracy.drop_points)}" if accuracy else "",
        size(bytes_) if bytes_ else "",
    )
    return ", ".join(filter(None, parts))


def sample_plan(plan: SamplePlan) -> str:
    """Says whether the data is enough, before the run or from the first answers of it.

    Args:
        plan: With the flip rate assumed, or observed (``flips_seen_on`` above 0).
    """
    confirm, limit = plan.confirm_samples, points(plan.threshold_points)
    kept = f"{confirm:,} of your {count(plan.samples, 'sample')} are kept for the last check"
    if plan.likely_confirm_samples is None or plan.likely_samples is None:
        return f"{kept}; no number of samples proves a drop of at most {limit}: allow a larger one."
    if not plan.can_prove:
        least = ""
        if plan.least_confirm_samples is not None:
            least = f" That takes at least {plan.least_confirm_samples:,}, if no answer changes."
        return (
            f"{kept}; they cannot prove a drop below {points(plan.provable_points)}, and you "
            f"allow {limit}.{least} {_changing(plan)} {_power(plan)}."
        )
    if not plan.is_likely:
        return (
            f"{kept}; they can prove a drop of at most {limit} if hardly any answer changes. "
            f"{_changing(plan)} {_power(plan)}."
        )
    most, samples = plan.very_likely_confirm_samples, plan.very_likely_samples
    often, more = "8", ""
    if most is not None and confirm >= most:
        often = "9"
    elif most is not None and samples is not None:
        more = f", and in 9 of 10 with about {samples:,} samples ({most:,} for the check)"
    return (
        f"{kept}, enough to prove a drop of at most {limit}. {_changing(plan)} a harmless "
        f"candidate passes in {often} of 10 evaluations or more{more}."
    )


def _changing(plan: SamplePlan) -> str:
    """What the counts of a plan rest on, as the start of a sentence."""
    share = percent(plan.flip_rate)
    if plan.flips_seen_on:
        return (
            f"On the first {count(plan.flips_seen_on, 'sample')} {share} of the answers changed; "
            "if that goes on, as often for the better,"
        )
    return f"If {share} of the answers change, as often for the better,"


def _power(plan: SamplePlan) -> str:
    """With how many samples a harmless candidate passes how often."""
    text = (
        "a harmless candidate would pass in 8 of 10 evaluations with about "
        f"{count(plan.likely_samples or 0, 'sample')} ({plan.likely_confirm_samples:,} for the "
        "check)"
    )
    if plan.very_likely_samples is None or plan.very_likely_confirm_samples is None:
        return text
    return (
        f"{text}, and in 9 of 10 with about {plan.very_likely_samples:,} "
        f"({plan.very_likely_confirm_samples:,} for the check)"
    )


def target_figure(latency: Latency) -> tuple[str, float]:
    """What a latency target is held against: name, and upper end in milliseconds.

    p99, or p50 where too few runs were made for a p99.
    """
    if latency.p99_ms is not None:
        return "p99", latency.p99_ms.high
    return "p50", latency.p50_ms.high


def _range(low: float, high: float) -> str:
    """Outwards, with as many decimals as the width makes sense of."""
    decimals = 1 if high - low >= 0.1 else 2
    scale = 10**decimals
    first = f"{floor(round(low * scale, 6)) / scale:.{decimals}f}"
    last = f"{ceil(round(high * scale, 6)) / scale:.{decimals}f}"
    return f"{first}x" if first == last else f"{first}-{last}x"


def _hundredths(value: float) -> str:
    text = f"{value + 0.0:.2f}"  # adding 0 turns -0.0 into 0.0
    return text.removesuffix("0")


def _three_digits(value: float) -> str:
    if value <= 0:
        return "0"
    decimals = max(2 - floor(log10(value)), 0)
    return f"{value:.{decimals}f}"
