"""What quantizing a block changes: at its own output, and at the model's.

In both the block has the inputs that it has in FP32. The error at the model's output is what
counts, since what follows may forgive an error or enlarge it; the one at the block's own output is
cheap, and tells which blocks to look at first.

What is the same in the outputs of all samples does not count: bias correction takes that back at
once. It is most of the error where images share a background (97% on EfficientNetV2-S with
digits), and tells nothing of which block to leave out, because the blocks' shifts partly cancel.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from core.quantization.activations.taps import available_threads
from core.quantization.sensitivity.block_variants import (
    each_quantized,
    fitting,
    one_quantized,
    outputs,
    side_by_side,
)
from core.quantization.sensitivity.blocks import Block
from core.records import BadInput, Deployment, Report
from core.sandbox import model_errors, open_session

Feed = Mapping[str, NDArray[Any]]
Answers = list[NDArray[np.float32]]
Errors = NDArray[np.float64]

_OWN_SHARE: Final = 0.25
"""Of the time, for the errors at the blocks' own outputs."""
_SAME: Final = 1e-3
"""By how much FP32 results may differ, of the largest, between two ways to compute them."""


@dataclass(frozen=True, slots=True)
class BlockErrors:
    """Errors by the block's name; blocks that there was no time for are missing.

    Attributes:
        samples: Fewest runs that an error at the model's output was measured on.
        sqnr_db: Signal to quantization noise at the block's output.
        at_output: Noise power over signal power at the model's float outputs, if only this block
            is quantized: its weights, what it reads, and what it computes. Without the mean noise
            of all samples, where there are several.
    """

    samples: int
    sqnr_db: Mapping[str, float]
    at_output: Mapping[str, float]


def measure_errors(
    baseline: onnx.ModelProto,
    quantized: onnx.ModelProto,
    blocks: Sequence[Block],
    feeds: Sequence[Feed],
    budget_s: float,
    report: Report,
) -> BlockErrors:
    """Measures both errors of each block.

    Args:
        baseline: FP32 model that was quantized.
        quantized: QDQ model made of it.
        blocks: Those of the FP32 model that the quantized one has in INT8, in the graph's order.
        feeds: Inputs of one run each, all of the same shape.
        budget_s: Seconds after which no further run starts. The errors at the blocks, and one
            block's error at the output, are measured in any case, on one run at least.
        report: Told how far it is.

    Raises:
        BadInput: onnxruntime refuses a model.
    """
    if not blocks:
        return BlockErrors(0, {}, {})
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        follower = _Follower(baseline, quantized, feeds, Path(folder))
        report(0.0, "Measuring each block's own error")
        sqnr_db = follower.at_blocks(blocks, started + _OWN_SHARE * budget_s)
        suspicious = sorted(blocks, key=lambda block: sqnr_db.get(block.name, np.inf))
        at_output: dict[str, float] = {}
        for group in follower.groups(suspicious):
            share = len(at_output) / len(blocks)
            report(_OWN_SHARE + (1 - _OWN_SHARE) * share, "Following errors to the output")
            now, end = time.monotonic(), started + budget_s
            if at_output and now >= end:
                break
            left = len(blocks) - len(at_output)
            at_output |= follower.at_output(group, now + (end - now) * len(group) / left)
    return BlockErrors(follower.samples, sqnr_db, at_output)


class _Follower:
    """Runs variants of a model on the same samples.

    Attributes:
        samples: Fewest runs that an error at the model's output was measured on.
    """

    def __init__(
        self,
        baseline: onnx.ModelProto,
        quantized: onnx.ModelProto,
        feeds: Sequence[Feed],
        folder: Path,
    ) -> None:
        self._baseline = baseline
        self._quantized = quantized
        self._feeds = feeds
        self._path = folder / "variant.onnx"
        self._batch = len(next(iter(feeds[0].values())))
        run = self._open(baseline, outputs(baseline))
        self._answers = [run(feed) for feed in feeds]
        self._grows = True
        self.samples = len(feeds) * self._batch

    def at_blocks(self, blocks: Sequence[Block], end: float) -> dict[str, float]:
        """Signal to noise at the blocks' own outputs, in decibels, by name."""
        run = self._open(side_by_side(self._baseline, self._quantized, blocks))
        powers, _ = _mean((np.array(run(feed), np.float64) for feed in self._feeds), end)
        ratios = zip(blocks, powers[::2], powers[1::2], strict=True)
        return {
            block.name: float(10 * np.log10(signal / noise))
            for block, signal, noise in ratios
            if np.isfinite(signal + noise) and signal > 0 and noise > 0
        }

    def groups(self, blocks: Sequence[Block]) -> Iterator[list[Block]]:
        """Parts blocks into groups that can be followed at once, in this order."""
        waiting = list(blocks)
        while waiting:
            count = fitting(self._baseline, waiting, self._batch) if self._grows else 1
            yield waiting[:count]
            del waiting[:count]

    def at_output(self, blocks: Sequence[Block], end: float) -> dict[str, float]:
        """Noise over signal at the model's output, by name."""
        if self._grows:
            try:
                return self._at_once(blocks, end)
            except (BadInput, MemoryError, NotImplementedError):
                self._grows = False
        errors: dict[str, float] = {}
        for block in blocks:
            now = time.monotonic()
            if errors and now >= end:
                break
            errors |= self._alone(block, now + (end - now) / (len(blocks) - len(errors)))
        return errors

    def _at_once(self, blocks: Sequence[Block], end: float) -> dict[str, float]:
        places = {node.name: place for place, node in enumerate(self._baseline.graph.node)}
        ordered = sorted(blocks, key=lambda block: places[block.nodes[0]])
        run = self._open(each_quantized(self._baseline, self._quantized, ordered, self._batch))
        rows = 1 + len(ordered)

        def noises(feed: Feed, clean: Answers) -> Errors:
            parts = []
            for before, after in zip(clean, run(feed), strict=True):
                if after.shape != (rows * self._batch, *before.shape[1:]):
                    message = "The batch does not grow."
                    raise NotImplementedError(message)
                each = after.reshape(rows, self._batch, -1).astype(np.float64)
                if np.abs(each[0] - _flat(before)).max() > _SAME * np.abs(before).max():
                    message = "Rows of the batch depend on each other."
                    raise NotImplementedError(message)
                parts.append(each[1:] - each[0])
            return np.concatenate(parts, axis=-1)

        return self._ratios(ordered, noises, end)

    def _alone(self, block: Block, end: float) -> dict[str, float]:
        run = self._open(one_quantized(self._baseline, self._quantized, block))

        def noises(feed: Feed, clean: Answers) -> Errors:
            pairs = zip(clean, run(feed), strict=True)
            parts = [_flat(after) - _flat(before) for before, after in pairs]
            return np.concatenate(parts, axis=-1)[None]

        return self._ratios([block], noises, end)

    def _ratios(
        self, blocks: Sequence[Block], noises: Callable[[Feed, Answers], Errors], end: float
    ) -> dict[str, float]:
        """Noise over signal; ``noises`` has the shape ``(blocks, samples, values)``."""
        runs = zip(self._feeds, self._answers, strict=True)
        moments, count = _mean((_moments(noises(feed, clean)) for feed, clean in runs), end)
        self.samples = min(self.samples, count * self._batch)
        powers = moments[:, -1] - np.square(moments[:, :-1]).sum(axis=1)
        samples = count * self._batch
        powers = powers * samples / (samples - 1) if samples > 1 else moments[:, -1]
        answers = [_flat(part) for clean in self._answers[:count] for part in clean]
        signal = sum(np.square(part).sum() for part in answers) / samples
        return {
            block.name: float(power / signal)
            for block, power in zip(blocks, powers, strict=True)
            if np.isfinite(power) and signal > 0
        }

    def _open(
        self, model: onnx.ModelProto, wanted: Sequence[str] | None = None
    ) -> Callable[[Feed], Answers]:
        onnx.save(model, self._path)
        session = open_session(self._path, Deployment(threads=available_threads()))

        def run(feed: Feed) -> Answers:
            with model_errors("The model cannot be run"):
                answers: Answers = session.run(wanted, dict(feed))
                return answers

        return run


def _flat(answer: NDArray[np.float32]) -> Errors:
    """A model's output with one row of values a sample."""
    return answer.reshape(len(answer), -1).astype(np.float64)


def _moments(noises: Errors) -> Errors:
    """Each block's mean noise in each value and, in the last place, its mean power."""
    powers = np.square(noises).sum(axis=2).mean(axis=1)
    return np.concatenate([noises.mean(axis=1), powers[:, None]], axis=1)


def _mean(runs: Iterator[Errors], end: float) -> tuple[Errors, int]:
    """The mean of as many runs, one at least, as end in time, and their number."""
    started = time.monotonic()
    total, count = next(runs), 1
    while (now := time.monotonic()) + (now - started) / count < end:
        found = next(runs, None)
        if found is None:
            break
        total, count = total + found, count + 1
    return total / count, count
