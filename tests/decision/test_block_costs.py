from dataclasses import replace

import pytest

from core.decision import block_costs
from core.records import BlockCost, Sensitivity


def sensitivity(*blocks: tuple[float | None, float | None, float | None]) -> Sensitivity:
    """Blocks of output error, FP32 and INT8 milliseconds."""
    return Sensitivity(
        recipe="int8_static",
        samples=32,
        blocks=tuple(
            BlockCost(
                name=f"conv{place}",
                op_type="Conv",
                nodes=(f"conv{place}",),
                weight_bytes=100,
                sqnr_db=None,
                output_error=error,
                float_ms=float_ms,
                int8_ms=int8_ms,
            )
            for place, (error, float_ms, int8_ms) in enumerate(blocks)
        ),
    )


def test_few_blocks_that_cause_most_of_the_loss():
    measured = sensitivity((8.0, 1.0, 2.0), *[(0.1, 1.0, 0.5)] * 8, (1.0, 1.0, 1.3))
    assert block_costs.sentences(measured) == (
        "2 of 10 blocks cause 90% of the loss.",
        "2 of 10 blocks are slower when quantized, which adds 1.30 ms a run; the others together "
        "save 4.00 ms a run.",
    )


def test_one_block_that_causes_it_all():
    loss, slow = block_costs.sentences(sensitivity((1.0, 1.0, 2.0), *[(0.0, 1.0, 1.0)] * 9))
    assert loss == "1 of 10 blocks causes 90% of the loss."
    assert slow == (
        "1 of 10 blocks is slower when quantized, which adds 1.00 ms a run; the others save "
        "nothing either."
    )


@pytest.mark.parametrize("error", [0.1, 1.0, 1 / 3])
def test_a_loss_that_all_blocks_share_evenly(error):
    loss, slow = block_costs.sentences(sensitivity(*[(error, 1.0, 0.5)] * 10))
    assert loss == "The loss is spread widely: it takes 9 of 10 blocks to make up 90% of the loss."
    assert slow == "Of 10 blocks, none is slower when quantized; they together save 5.00 ms a run."


def test_all_blocks_slower():
    _, slow = block_costs.sentences(sensitivity(*[(0.1, 1.0, 2.0)] * 3))
    assert slow == "3 of 3 blocks are slower when quantized, which adds 3.00 ms a run."


def test_blocks_that_nothing_is_known_of():
    unknown = (
        "How much accuracy each block costs was not measured.",
        "How long each block takes was not measured.",
    )
    assert block_costs.sentences(sensitivity()) == unknown
    assert block_costs.sentences(sensitivity((None, None, 1.0))) == unknown


def test_blocks_of_which_only_some_were_measured():
    loss, slow = block_costs.sentences(
        sensitivity((9.5, 1.0, 2.0), (0.2, None, None), (0.2, None, None), (None, None, None))
    )
    assert loss == "1 of the 3 blocks looked at causes 90% of the loss."
    assert slow == "1 of the 1 block looked at is slower when quantized, which adds 1.00 ms a run."


def test_blocks_that_cost_nothing():
    loss, _ = block_costs.sentences(sensitivity((0.0, 1.0, 1.0), (0.0, 1.0, 1.0)))
    assert loss == "Of 2 blocks, none changes the model's output when it alone is quantized."


def test_a_block_within_the_noise_is_not_slower():
    _, slow = block_costs.sentences(sensitivity((0.1, 1.0, 1.04), (0.1, 1.0, 0.5)))
    assert slow.startswith("Of 2 blocks, none is slower")


def test_blocks_are_ranked():
    measured = sensitivity((0.1, 1.0, 2.0), (None, 1.0, 4.0), (0.3, None, 1.0), (0.0, 1.0, 0.5))
    assert [block.name for block in block_costs.worst(measured)] == ["conv2", "conv0"]
    assert [block.name for block in block_costs.slowest(measured)] == ["conv1", "conv0", "conv3"]


def test_convolutions_that_are_faster_as_products_are_counted():
    plain = sensitivity(*[(0.1, 1.0, 0.5)] * 4)
    times = (0.3, 0.49, None, 0.6)
    timed = tuple(
        replace(block, im2col_ms=time) for block, time in zip(plain.blocks, times, strict=True)
    )
    assert len(block_costs.sentences(plain)) == 2
    assert block_costs.sentences(replace(plain, blocks=timed))[2] == (
        "1 of 3 convolutions is faster as a matrix product, which saves 0.200 ms a run."
    )
