"""Where quantization costs accuracy and where it costs time, block by block."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

import onnx

from core.protocol import BLOCK_NOISE, is_faster_as_product
from core.quantization.calibration import CalibrationSamples, fixed_batch
from core.quantization.graph import Graph
from core.quantization.im2col import to_im2col
from core.quantization.preprocess import preprocess
from core.quantization.rewrites.rewrite import rewrite
from core.quantization.sensitivity.block_errors import measure_errors
from core.quantization.sensitivity.block_latency import block_latency
from core.quantization.sensitivity.blocks import Block, blocks
from core.records import (
    BlockCost,
    Deployment,
    PreparedData,
    Recipe,
    Report,
    Sensitivity,
)

_SAMPLES: Final = 8
"""Blocks differ by far more than samples do."""
_ERRORS_SHARE: Final = 0.8
"""Of the time; the rest is for the latencies."""
_LEAST_GAIN: Final = 0.005
"""Of the INT8 model's time; less is not worth the conversions at the borders."""


def measure_blocks(
    model: Path,
    candidate: Path,
    recipe: Recipe,
    prepared: PreparedData,
    deployment: Deployment,
    seed: int,
    budget_s: float,
    report: Report,
) -> Sensitivity:
    """Measures what it costs to quantize each block.

    Args:
        model: The baseline's ``.onnx`` file.
        candidate: What the recipe made of it.
        recipe: With method ``int8_static``.
        prepared: The dataset; calibration samples are used.
        deployment: Session options and batch size that the blocks are timed with.
        seed: Decides which samples are used; that of the candidate.
        budget_s: Seconds after which no further run starts. Blocks that were not reached have no
            error at the output; those with the largest of their own come first.
        report: Told how far it is.

    Raises:
        BadInput: The candidate was not made of the model with this recipe.
    """
    started = time.monotonic()
    report(0.0, "Preparing the graph")
    baseline = preprocess(model)
    batch = fixed_batch(baseline) or 1

    def samples(count: int, batch_size: int) -> CalibrationSamples:
        return CalibrationSamples(prepared, count, batch_size, seed, lambda *_: None)

    baseline = rewrite(baseline, recipe, lambda: samples(recipe.calibration_samples, batch))
    parts = blocks(Graph(baseline))
    quantized = onnx.load(candidate)
    errors = measure_errors(
        baseline,
        quantized,
        [block for block in parts if _is_quantized(baseline, block, recipe)],
        list(samples(_SAMPLES * batch, batch)),
        _ERRORS_SHARE * budget_s - (time.monotonic() - started),
        lambda fraction, words: report(0.1 + 0.7 * fraction, words),
    )
    report(0.8, "Timing the blocks")
    served = fixed_batch(baseline) or deployment.batch_size
    with tempfile.TemporaryDirectory() as folder:
        path, products = Path(folder) / "prepared.onnx", Path(folder) / "im2col.onnx"
        onnx.save(baseline, path)
        changed = to_im2col(quantized, frozenset(block.name for block in parts))
        if changed:
            onnx.save(quantized, products)
        in_float, in_int8, *in_products = block_latency(
            path,
            (candidate, products) if changed else (candidate,),
            parts,
            next(samples(served, served)),
            deployment,
            (1 - _ERRORS_SHARE) * budget_s,
        )
    report(1.0, "")
    as_products = {name: times.blocks.get(name) for times in in_products for name in changed}
    return Sensitivity(
        recipe=recipe.id,
        samples=errors.samples,
        blocks=tuple(
            BlockCost(
                name=block.name,
                op_type=block.op_type,
                nodes=block.nodes,
                weight_bytes=block.weight_bytes,
                sqnr_db=errors.sqnr_db.get(block.name),
                output_error=errors.at_output.get(block.name),
                float_ms=in_float.blocks.get(block.name),
                int8_ms=in_int8.blocks.get(block.name),
                im2col_ms=as_products.get(block.name),
            )
            for block in parts
        ),
    )


def costly_nodes(sensitivity: Sensitivity, share: float) -> tuple[str, ...]:
    """Names the nodes of the fewest blocks that cause a share of the error at the output.

    Errors of different blocks are taken to be independent, so that their powers add up.

    Args:
        sensitivity: As measured.
        share: Of the sum over all blocks, 0 to 1.

    Returns:
        Node names, the worst block's first; empty where nothing was measured.
    """
    errors = {block.name: block.output_error or 0.0 for block in sensitivity.blocks}
    wanted = share * sum(errors.values())
    named: list[str] = []
    for block in sorted(sensitivity.blocks, key=lambda block: -errors[block.name]):
        if wanted <= 0:
            break
        wanted -= errors[block.name]
        named += block.nodes
    return tuple(named)


def slower_nodes(sensitivity: Sensitivity) -> tuple[str, ...]:
    """Names the nodes of the blocks that take longer in INT8, with any kernel.

    By more than noise, and by at least 0.5% of the whole model's time: less is not worth the
    conversions at the borders.

    Args:
        sensitivity: As measured.

    Returns:
        Node names, in the graph's order.
    """
    total = sum(block.int8_ms or 0.0 for block in sensitivity.blocks)
    return tuple(
        node
        for block in sensitivity.blocks
        if block.float_ms is not None and block.int8_ms is not None
        if min(block.int8_ms, block.im2col_ms or block.int8_ms) - block.float_ms
        > max(BLOCK_NOISE * block.float_ms, _LEAST_GAIN * total)
        for node in block.nodes
    )


def faster_as_products(sensitivity: Sensitivity) -> tuple[str, ...]:
    """Names the convolutions that are faster as matrix products, in the graph's order."""
    return tuple(block.name for block in sensitivity.blocks if is_faster_as_product(block))


def _is_quantized(model: onnx.ModelProto, block: Block, recipe: Recipe) -> bool:
    inside = frozenset(block.nodes).difference(recipe.left_in_float)
    return any(node.op_type in recipe.op_types for node in model.graph.node if node.name in inside)
