"""The answers of a model on a split: one class per sample, under the deployment's options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.accuracy.metrics import TOP
from core.records import BadInput, Deployment, PreparedData, Report, SplitName
from core.sandbox import load_inputs, load_labels, model_errors, open_session

Array = NDArray[Any]

_CANNOT_RUN = (
    "The model cannot be run on these samples, so run it on one of them where it was exported and "
    "mend the export or the samples"
)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model answered, in the order of the samples."""

    classes: tuple[int, ...]
    """Position of the highest class score; for one yes-or-no score 0 or 1."""
    finite: bool
    """Whether no score was NaN or infinite; if not, the classes mean nothing."""
    outputs: int
    """How many classes the model tells apart."""
    ranks: tuple[int, ...] | None = None
    """For each sample how many classes come before the true one, by score and between equal
    scores by position: 0 where the answer is right. None where the model gives no score per
    class, or for so few classes that it says nothing to be among the top 5."""

    def first(self, samples: int) -> Predictions:
        """The answers to the first samples alone."""
        ranks = None if self.ranks is None else self.ranks[:samples]
        return Predictions(self.classes[:samples], self.finite, self.outputs, ranks)

    def join(self, other: Predictions) -> Predictions:
        """These answers followed by others of the same model."""
        return Predictions(
            self.classes + other.classes,
            self.finite and other.finite,
            self.outputs,
            None if self.ranks is None or other.ranks is None else self.ranks + other.ranks,
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """Where among the model's outputs the answer is, and how it is read.

    ``scores``: one column per class; ``score``: one column, yes above a limit; ``label``: the
    class itself.
    """

    kind: str
    position: int
    columns: int

    @property
    def has_ranks(self) -> bool:
        """Whether it says something of a class to be among the highest :data:`TOP` scores."""
        return self.kind == "scores" and self.columns > TOP


def predict(
    model: Path,
    prepared: PreparedData,
    split: SplitName,
    deployment: Deployment,
    report: Report,
    first: int = 0,
    last: int | None = None,
) -> Predictions:
    """Runs a model over a split; belongs into the sandbox.

    Batches have the deployment's size; where the model's own is fixed that one is used, the
    last batch filled up with its last sample.

    Args:
        model: The ``.onnx`` file.
        prepared: The dataset as model inputs.
        split: Which of its samples.
        deployment: Session options and batch size.
        report: Told after each batch.
        first: Position in the split of the first sample that is answered.
        last: Position after the last one; None: to the end of the split.

    Raises:
        BadInput: The model does not run on these inputs, or none of its outputs is a class.
        MemoryError: It does not fit.
    """
    session = open_session(model, deployment)
    inputs = {name: array[first:last] for name, array in load_inputs(prepared, split).items()}
    labels = load_labels(prepared, split)[first:last]
    samples = len(next(iter(inputs.values())))
    fixed = session.get_inputs()[0].shape[:1]
    size = fixed[0] if fixed and isinstance(fixed[0], int) and fixed[0] > 0 else None
    answer: _Answer | None = None
    rows: list[Array] = []
    ranks: list[int] = []
    finite = True
    done = 0
    for count, feed in _batches(inputs, samples, size or deployment.batch_size, size is not None):
        with model_errors(_CANNOT_RUN):
            outputs = session.run(None, feed)
        length = len(next(iter(feed.values())))
        if answer is None:
            answer = _find_answer(outputs, length, prepared.profile.classes)
        values = np.asarray(outputs[answer.position]).reshape(length, -1)[:count]
        if answer.kind != "label":
            finite = finite and bool(np.isfinite(values).all())
        rows.append(values.argmax(axis=1) if answer.kind == "scores" else values[:, 0])
        if answer.has_ranks:
            ranks += _ranks(values, labels[done : done + count]).tolist()
        done += count
        report(done / samples, f"{done} of {samples} samples")
    if answer is None:
        raise BadInput(f"The {split} split has no samples: add more.")
    column = np.concatenate(rows)
    classes = _above_limit(column) if answer.kind == "score" else column
    return Predictions(
        tuple(int(c) for c in classes),
        finite,
        answer.columns,
        tuple(ranks) if answer.has_ranks else None,
    )


def _batches(
    inputs: Mapping[str, Array], samples: int, size: int, full: bool
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yields how many samples are in a batch, and the batch; ``full``: padded to ``size``."""
    for start in range(0, samples, size):
        count = min(size, samples - start)
        take = np.arange(start, start + (size if full else count)).clip(max=samples - 1)
        yield count, {name: np.ascontiguousarray(array[take]) for name, array in inputs.items()}


def _find_answer(outputs: Sequence[Any], length: int, classes: int) -> _Answer:
    """Finds the output to read: class scores before class labels before a single score."""
    tables = {
        position: output.size // length
        for position, output in enumerate(outputs)
        if isinstance(output, np.ndarray) and _is_table(output, length)
    }
    floats = [p for p in tables if np.issubdtype(outputs[p].dtype, np.floating)]
    scores = [p for p in floats if tables[p] >= 2]
    # A model may also give an embedding: the output as wide as the labels is the scores.
    scores.sort(key=lambda p: (tables[p] != classes, tables[p] < classes))
    labels = [p for p in tables if np.issubdtype(outputs[p].dtype, np.integer) and tables[p] == 1]
    if scores:
        answer = _Answer("scores", scores[0], tables[scores[0]])
    elif labels:
        return _Answer("label", labels[0], classes)
    elif floats:
        answer = _Answer("score", floats[0], 2)
    else:
        shapes = ", ".join(str(getattr(output, "shape", "not an array")) for output in outputs)
        raise BadInput(
            f"None of the model's outputs holds one score per class (their shapes: {shapes}): "
            "give a classification model."
        )
    if answer.columns < classes:
        raise BadInput(
            f"The model tells {answer.columns} classes apart but the dataset has {classes}: "
            "give the dataset that belongs to this model."
        )
    return answer


def _ranks(scores: Array, labels: Array) -> Array:
    """How many classes come before the true one, in the order in which argmax would take them."""
    true = scores[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    return np.asarray(((scores > true) | ((scores == true) & earlier)).sum(axis=1))


def _is_table(output: Array, length: int) -> bool:
    """Whether an output is a row per sample: ``(batch,)``, ``(batch, k)``, ``(batch, k, 1, 1)``."""
    return output.shape[:1] == (length,) and all(size == 1 for size in output.shape[2:])


def _above_limit(column: Array) -> Array:
    """Yes or no from one score: a probability if all lie in [0, 1], otherwise a logit."""
    known = column[np.isfinite(column)]
    is_probability = known.size > 0 and known.min() >= 0 and known.max() <= 1
    return np.asarray(column > (0.5 if is_probability else 0.0)).astype(np.int64)
