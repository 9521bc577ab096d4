"""What single blocks cost, in order and in plain words."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from core.decision import explain
from core.protocol import BLOCK_NOISE, is_faster_as_product
from core.records import BlockCost, Sensitivity

_MOST_OF_THE_LOSS: Final = 0.9


def worst(sensitivity: Sensitivity) -> tuple[BlockCost, ...]:
    """The blocks that cost accuracy when they alone are quantized, the worst first."""
    costly = [block for block in sensitivity.blocks if block.output_error]
    return tuple(sorted(costly, key=lambda block: block.output_error or 0.0, reverse=True))


def added_ms(block: BlockCost) -> float | None:
    """What INT8 adds to a block's time in a run; negative: it saves that."""
    if block.float_ms is None or block.int8_ms is None:
        return None
    return block.int8_ms - block.float_ms


def slowest(sensitivity: Sensitivity) -> tuple[BlockCost, ...]:
    """The blocks that were timed, those to which INT8 adds most time first."""
    timed = [block for block in sensitivity.blocks if added_ms(block) is not None]
    return tuple(sorted(timed, key=lambda block: added_ms(block) or 0.0, reverse=True))


def sentences(sensitivity: Sensitivity) -> tuple[str, ...]:
    """Says which blocks cause most of the loss, and how many would be faster in another form."""
    said = _loss_sentence(sensitivity), _time_sentence(sensitivity), _product_sentence(sensitivity)
    return tuple(filter(None, said))


def _loss_sentence(sensitivity: Sensitivity) -> str:
    looked_at = [block for block in sensitivity.blocks if block.output_error is not None]
    if not looked_at:
        return "How much accuracy each block costs was not measured."
    errors = [block.output_error or 0.0 for block in worst(sensitivity)]
    of_all = _of_blocks(len(looked_at), sensitivity)
    if not errors:
        return f"Of {of_all}, none changes the model's output when it alone is quantized."
    share = f"{_MOST_OF_THE_LOSS:.0%} of the loss"
    # Rounding errors of the sum must not ask for one block more.
    enough = _MOST_OF_THE_LOSS * sum(errors) * (1 - 1e-9)
    needed = 1 + sum(reached < enough for reached in accumulate(errors))
    if needed > len(looked_at) / 2:
        return f"The loss is spread widely: it takes {needed} of {of_all} to make up {share}."
    return f"{needed} of {of_all} {'causes' if needed == 1 else 'cause'} {share}."


def _time_sentence(sensitivity: Sensitivity) -> str:
    timed = slowest(sensitivity)
    if not timed:
        return "How long each block takes was not measured."
    slower = [block for block in timed if _is_slower(block)]
    saved = -sum(added_ms(block) or 0.0 for block in timed if not _is_slower(block))
    saving = (
        f"together save {explain.milliseconds(saved)} a run" if saved > 0 else "save nothing either"
    )
    of_all = _of_blocks(len(timed), sensitivity)
    if not slower:
        return f"Of {of_all}, none is slower when quantized; they {saving}."
    added = sum(added_ms(block) or 0.0 for block in slower)
    return (
        f"{len(slower)} of {of_all} {'is' if len(slower) == 1 else 'are'} slower when quantized, "
        f"which adds {explain.milliseconds(added)} a run"
        + (f"; the others {saving}." if len(slower) < len(timed) else ".")
    )


def _product_sentence(sensitivity: Sensitivity) -> str:
    timed = [block for block in sensitivity.blocks if block.im2col_ms is not None]
    faster = [block for block in timed if is_faster_as_product(block)]
    saved = sum((block.int8_ms or 0.0) - (block.im2col_ms or 0.0) for block in faster)
    if not faster:
        return ""
    what = "is faster as a matrix product" if len(faster) == 1 else "are faster as matrix products"
    return (
        f"{len(faster)} of {explain.count(len(timed), 'convolution')} {what}, which saves "
        f"{explain.milliseconds(saved)} a run."
    )


def _is_slower(block: BlockCost) -> bool:
    if block.float_ms is None or block.int8_ms is None:
        return False
    return block.int8_ms > (1 + BLOCK_NOISE) * block.float_ms


def _of_blocks(number: int, sensitivity: Sensitivity) -> str:
    """Such as ``174 blocks``, or ``the 90 blocks looked at``."""
    if number == len(sensitivity.blocks):
        return explain.count(number, "block")
    return f"the {explain.count(number, 'block')} looked at"
