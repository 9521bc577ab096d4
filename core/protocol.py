"""Numbers that parts of the core which do not know each other have to agree on."""

from __future__ import annotations

from math import ceil
from typing import Final

from core.records import BlockCost, Effort

RUNS: Final[dict[Effort, int]] = {"quick": 300, "standard": 1_000, "thorough": 5_000}
"""Timed runs of each model, by effort."""

MOST_TIMED: Final = 8
"""Candidates that are timed in full; more would only make each round longer."""

AA_BAND: Final = 0.05
"""How far from 1 either end of the A/A interval may lie."""

AA_MARGIN: Final = 0.01
"""How far from 1 the A/A ratio may lie where its interval does not contain 1."""

MAX_CALIBRATION: Final = 200
"""Samples that a split sets aside for calibration at the most.

MinMax ranges hardly move beyond some hundred samples; the rest is worth more as evidence.
"""

BLOCK_NOISE: Final = 0.05
"""Share of a single block's time below which a difference is noise."""


def is_faster_as_product(block: BlockCost) -> bool:
    """Whether a block's convolution is faster as a matrix product, by more than noise."""
    if block.int8_ms is None or block.im2col_ms is None:
        return False
    return block.im2col_ms < (1 - BLOCK_NOISE) * block.int8_ms


def round_up(number: int) -> int:
    """To three leading digits: samples and runs that are planned carry no more."""
    step = int(10 ** max(len(str(number)) - 3, 0))
    return ceil(number / step) * step
