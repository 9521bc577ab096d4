"""Figures in plain words: the one place where numbers become text, for verdicts and pages.

Ranges are rounded outwards and bounds to the safe side, so that a sentence never claims more
than was measured.
"""

from __future__ import annotations

from math import ceil, floor, log10
from typing import Final

from core.records import Estimate, Latency, Outcome, Ratio

OUTCOME_TITLES: Final[dict[Outcome, str]] = {
    "ship": "Ship",
    "ship_for_size": "Ship for size only",
    "quantize_selectively": "Quantize selectively",
    "try_fp16": "Try FP16",
    "not_worth_it": "Not worth it",
    "not_enough_evidence": "Not enough evidence",
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


def count(number: int, noun: str) -> str:
    """Such as ``1 sample`` or ``1,240 samples``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: tuple[str, ...], word: str = "and") -> str:
    """Such as ``a, b and c``."""
    return f" {word} ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def sample_plan(
    *,
    samples: int,
    confirm_samples: int,
    threshold_points: float,
    provable_points: float,
    likely_confirm_samples: int | None,
    likely_samples: int | None,
    flip_rate: float,
) -> str:
    """Says before the run whether the data is enough.

    Args:
        samples: Of the whole dataset.
        confirm_samples: Those of the confirm split, which alone count for the gate.
        threshold_points: The largest drop that the policy allows.
        provable_points: The smallest drop that the confirm split can exclude.
        likely_confirm_samples: Confirm samples that prove the threshold in 80% of evaluations.
        likely_samples: The same as samples of the whole dataset.
        flip_rate: Share of changed answers assumed for the two counts before.
    """
    kept = f"{confirm_samples:,} of your {count(samples, 'sample')} are kept for the last check"
    limit = points(threshold_points)
    if likely_confirm_samples is None or likely_samples is None:
        return f"{kept}; no number of samples proves a drop of at most {limit}: allow a larger one."
    assumed = f"if {percent(flip_rate)} of the answers change, as often for the better"
    would = (
        f"about {count(likely_samples, 'sample')} would ({likely_confirm_samples:,} for the check)"
    )
    if provable_points > threshold_points:
        return (
            f"{kept}; they cannot prove a drop below {points(provable_points)}, and you allow "
            f"{limit}: {would} in 8 of 10 evaluations, {assumed}."
        )
    if confirm_samples < likely_confirm_samples:
        return (
            f"{kept}; they can prove a drop of at most {limit} if hardly any answer changes; "
            f"{would} in 8 of 10 evaluations {assumed}."
        )
    return (
        f"{kept}: enough to prove a drop of at most {limit} in more than 8 of 10 evaluations, "
        f"{assumed}."
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
