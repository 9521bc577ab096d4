"""Which position of the model's output each label stands for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.datasets.inputs import FLOAT_TYPES
from core.datasets.wording import listing, shown
from core.records import BadInput, DataKind, Finding, ModelProfile

MAX_CLASSES = 100_000
"""Where the model does not say how many outputs it has, a label above this is a mistake."""

_WHOLE_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The names of the outputs, and the output of each label."""

    names: tuple[str, ...]
    index: dict[str, int]
    findings: tuple[Finding, ...] = ()


def count_outputs(model: ModelProfile) -> int | None:
    """How many classes the model tells apart, if its outputs state it.

    Scores are an output of shape ``(batch, classes)``, or that with further axes of 1. A
    single score is a yes or a no: two classes. None where outputs disagree (one of them may
    be an embedding) or leave the size open.
    """
    widths: set[int | str] = {
        output.shape[1]
        for output in model.outputs
        if output.dtype in FLOAT_TYPES
        and len(output.shape) >= 2
        and all(size == 1 for size in output.shape[2:])
    }
    if len(widths) > 1:
        widths.discard(1)
    width = widths.pop() if len(widths) == 1 else None
    return max(width, 2) if isinstance(width, int) else None


def map_classes(
    labels: Collection[str],
    listed: Sequence[str] | None,
    outputs: int | None,
    kind: DataKind,
) -> ClassMap:
    """Finds the output position of every label.

    With ``classes.txt`` its lines are the outputs in order. Without it, labels that are all
    whole numbers are the positions themselves; other labels are the positions in their order
    as text, which is how torchvision's ``ImageFolder`` (``find_classes``), Keras'
    ``image_dataset_from_directory`` and scikit-learn's ``LabelEncoder`` number them.

    Args:
        labels: The distinct labels of the samples.
        listed: The lines of ``classes.txt``; None if there is none.
        outputs: How many classes the model tells apart; None if it does not say.
        kind: How the labels were given, for the sentences.

    Raises:
        BadInput: A label stands for no output, or which one it stands for is a guess.
    """
    numbers = {label: int(label) for label in labels if _WHOLE_NUMBER.fullmatch(label)}
    if listed is not None:
        return _map_listed(labels, tuple(listed), numbers, outputs)
    if len(numbers) == len(labels):
        return _map_numbers(numbers, outputs, kind)
    return _map_names(labels, outputs, kind)


def _map_listed(
    labels: Collection[str], listed: tuple[str, ...], numbers: dict[str, int], outputs: int | None
) -> ClassMap:
    twice = [name for name, count in Counter(listed).items() if count > 1]
    if twice:
        raise BadInput(f"classes.txt names {listing(twice)} more than once.")
    if outputs is not None and len(listed) != outputs:
        raise BadInput(
            f"classes.txt has {len(listed)} lines but the model has {outputs} outputs: give one "
            "class name per line, in the order of the model's outputs."
        )
    index = {name: position for position, name in enumerate(listed)}
    unknown = sorted(set(labels) - set(index))
    if unknown and len(numbers) == len(labels):
        _check_range(numbers, len(listed))
        return ClassMap(_clean(listed), numbers)
    if unknown:
        raise BadInput(
            f"{_count(unknown, 'label')} not in classes.txt: {listing(unknown)}; each label must "
            "be one of its lines."
        )
    return ClassMap(_clean(listed), index)


def _map_numbers(numbers: dict[str, int], outputs: int | None, kind: DataKind) -> ClassMap:
    count = outputs if outputs is not None else max(numbers.values()) + 1
    if outputs is None and count > MAX_CLASSES:
        raise BadInput(f"The label {count - 1} is too large to be the number of a class.")
    _check_range(numbers, count)
    findings: tuple[Finding, ...] = ()
    if kind == "class_folders" and sorted(numbers) != sorted(numbers, key=numbers.__getitem__):
        findings = _order_finding(
            "The folders' numbers are taken as the model's outputs, so 2 comes before 10; in "
            "training, ImageFolder and image_dataset_from_directory put 10 before 2: if this model "
            "was trained with one of them, add a classes.txt with the folders' names in that order."
        )
    return ClassMap(tuple(str(position) for position in range(count)), numbers, findings)


def _map_names(labels: Collection[str], outputs: int | None, kind: DataKind) -> ClassMap:
    ordered = sorted(labels)
    if outputs is not None and len(ordered) > outputs:
        raise BadInput(
            f"The data has {len(ordered)} classes but the model has only {outputs} outputs: give "
            "the samples that belong to this model."
        )
    if outputs is not None and len(ordered) < outputs:
        raise BadInput(
            f"The data has {len(ordered)} classes ({listing(ordered)}) but the model has {outputs} "
            "outputs: add a classes.txt with one class name per line, in the order of the outputs."
        )
    findings: tuple[Finding, ...] = ()
    if kind == "class_folders" and ordered != sorted(labels, key=_counting):
        findings = _order_finding(
            "The folders are taken in their order as text, as ImageFolder and "
            "image_dataset_from_directory do, so a name that ends in 10 comes before one that ends "
            "in 2: if this model counts otherwise, add a classes.txt with one name per line."
        )
    index = {label: position for position, label in enumerate(ordered)}
    return ClassMap(_clean(ordered), index, findings)


def _check_range(numbers: dict[str, int], count: int) -> None:
    outside = sorted(
        (label for label, number in numbers.items() if not 0 <= number < count),
        key=numbers.__getitem__,
    )
    if outside:
        raise BadInput(
            f"{_count(outside, 'label')} out of range: {listing(outside)}; number them from 0 to "
            f"{count - 1} as the model's outputs are, or add a classes.txt with one class name per "
            "line, in the order of the outputs."
        )


def _order_finding(sentence: str) -> tuple[Finding, ...]:
    return (Finding(severity="warning", code="class_order", sentence=sentence),)


def _counting(label: str) -> list[tuple[int, str]]:
    """A sort key in which class2 comes before class10."""
    parts = re.split(r"([0-9]+)", label)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _clean(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(shown(name, 80) for name in names)


def _count(names: Sequence[str], noun: str) -> str:
    return f"1 {noun} is" if len(names) == 1 else f"{len(names)} {noun}s are"
