"""A real evaluation as it looks after a search that tried much more."""

from collections.abc import Iterator
from dataclasses import replace

from core.decision import pareto_front
from core.records import (
    BlockCost,
    Candidate,
    Estimate,
    Evaluation,
    Latency,
    Ratio,
    Recipe,
    Sensitivity,
)

STATIC = Recipe(id="int8_static", method="int8_static", calibration_samples=100)
RECIPES = (
    replace(STATIC, id="int8_static_percentile", calibration="percentile"),
    replace(STATIC, id="int8_static_entropy", calibration="entropy"),
    replace(STATIC, id="int8_static_mse", calibration="mse"),
    replace(STATIC, id="int8_static_equalized", equalize=True),
    replace(STATIC, id="int8_static_bias", correct_bias=True),
    replace(STATIC, id="int8_static_equalized_bias", equalize=True, correct_bias=True),
    *(
        replace(
            STATIC,
            id=f"int8_static_percentile_left{left}",
            calibration="percentile",
            left_in_float=tuple(f"/features/{i}/conv" for i in range(left)),
        )
        for left in (4, 12, 30)
    ),
    Recipe(id="int8_weight_only", method="int8_weight_only"),
    Recipe(id="int8_weight_only_blocks", method="int8_weight_only", block_size=128),
)


def searched(result: Evaluation) -> Evaluation:
    """The same evaluation with timed, set aside and failed trials, a front and a sensitivity."""
    rows = (*result.candidates, *_trials(result))
    return replace(result, candidates=rows, front=pareto_front(rows), sensitivity=sensitivity())


def _trials(result: Evaluation) -> Iterator[Candidate]:
    source = next(row for row in result.candidates if row.recipe.method == "int8_static")
    assert source.latency is not None
    assert source.search_accuracy is not None
    assert source.size_bytes is not None
    for place, recipe in enumerate(RECIPES):
        row = replace(source, id=recipe.id, recipe=recipe, calibration_draws=())
        accuracy = replace(
            source.search_accuracy,
            drop_points=Estimate(value=0.3 * place, low=0.3 * place - 0.9, high=0.3 * place + 0.9),
        )
        if place % 4 == 0:  # timed in full, a little slower each
            yield replace(
                row,
                latency=_slower(source.latency, 1 + 0.1 * place),
                search_accuracy=accuracy,
                size_bytes=source.size_bytes - 100 * place,
                file=source.file,
            )
        elif place % 4 == 3:
            yield Candidate(
                id=recipe.id,
                recipe=recipe,
                status="failed",
                reason="Node '/features/*3*' cannot be equalized.",
            )
        else:
            yield replace(
                row,
                status="rejected",
                reason="Set aside after 83 search samples: int8_static keeps more there.",
                file=None,
                latency=None,
                cold_start_ms=None,
                peak_rss_bytes=None,
                accuracy=replace(accuracy, samples=83),
                search_accuracy=replace(accuracy, samples=83),
                search_speedup=Ratio(ratio=2.5, low=2.4, high=2.6),
            )


def _slower(latency: Latency, factor: float) -> Latency:
    p50, speedup = latency.p50_ms, latency.speedup
    return replace(
        latency,
        p50_ms=replace(p50, value=p50.value * factor, high=p50.high * factor),
        speedup=Ratio(
            ratio=speedup.ratio / factor, low=speedup.low / factor, high=speedup.high / factor
        ),
        quantiles_ms=tuple(factor * ms for ms in latency.quantiles_ms),
    )


def sensitivity(blocks: int = 30) -> Sensitivity:
    """Each block costs half of what the one before does; every third is slower in INT8."""
    return Sensitivity(
        recipe="int8_static",
        samples=32,
        blocks=tuple(
            BlockCost(
                name=f"/features/features.{place}/block/block.0/Conv",
                op_type="Conv",
                nodes=(f"conv{place}", f"relu{place}"),
                weight_bytes=4_000 * (place + 1),
                sqnr_db=20.0 + place,
                output_error=0.02 / 2**place,
                float_ms=0.1 + 0.01 * place,
                int8_ms=(0.1 + 0.01 * place) * (1.5 if place % 3 == 0 else 0.4),
            )
            for place in range(blocks)
        ),
    )
