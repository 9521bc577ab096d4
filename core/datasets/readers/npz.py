"""Arrays by model input, with their labels, from ``.npz`` members."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.inputs import Array, input_dtype, shape_words
from core.datasets.readers.tree import Tree
from core.datasets.samples import Arrays
from core.datasets.wording import listing, shown
from core.records import BadInput, Finding, ModelProfile, TensorInfo

LABEL_NAMES = ("labels", "label", "y")
TRAINING_NAME = "training_sha256"
_CHANNELS_FIRST, _CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def read_npz(tree: Tree, model: ModelProfile, classes: tuple[str, ...] | None) -> Arrays:
    """Reads the members of an unpacked ``.npz``: one array per model input, and the labels.

    Each array is found by its input's name; a model with one input takes the one array,
    whatever its name. Nothing is loaded: the members are memory-mapped, after NumPy has held
    their headers against their sizes.

    There is no list of what the model was trained on, as pictures may have one: rows are not
    files, and their bytes depend on the type they were saved in. Whoever writes the arrays leaves
    such samples out.

    Args:
        tree: The unpacked ``.npy`` members.
        model: Its inputs say which names, shapes and types are wanted.
        classes: The lines of a ``classes.txt`` beside the arrays.

    Raises:
        BadInput: A member cannot be read, an array does not fit its input, or there is one that
            is meant as a training list.
    """
    arrays = {_member_name(tree, file): _open(file) for file in tree.files if _is_array(file)}
    inputs = [entry.name for entry in model.inputs]
    if TRAINING_NAME in arrays and TRAINING_NAME not in inputs:
        raise BadInput(
            f"The array {TRAINING_NAME} cannot be used, as arrays have no files whose digests "
            "could be compared: remove it, and the samples that the model was trained on."
        )
    label_name = next(
        (name for name in arrays if name.lower() in LABEL_NAMES and name not in inputs), None
    )
    if label_name is None:
        raise BadInput(
            f"The .npz holds {listing(arrays, 6)} but no array named labels: add one with the "
            "class of each sample."
        )
    labels = arrays.pop(label_name)
    matched = _match(arrays, model.inputs)
    columns = tuple(
        _fit(entry, name, arrays[name]) for entry, name in zip(model.inputs, matched, strict=True)
    )
    counts = {name: len(arrays[name]) for name in matched} | {label_name: len(labels)}
    if len(set(counts.values())) > 1:
        words = ", ".join(f"{shown(name)} {count}" for name, count in counts.items())
        raise BadInput(f"The arrays do not hold the same number of samples: {words}.")
    findings: tuple[Finding, ...] = ()
    unused = sorted(set(arrays) - set(matched))
    if unused:
        findings = (
            Finding(
                severity="info",
                code="unused_arrays",
                sentence=f"Arrays that are no input of the model are not used: {listing(unused)}.",
            ),
        )
    return Arrays(columns, _read_labels(label_name, labels), classes, findings)


def _is_array(file: Path) -> bool:
    return file.suffix.lower() == ".npy"


def _member_name(tree: Tree, file: Path) -> str:
    return file.relative_to(tree.root).as_posix()[: -len(".npy")]


def _open(file: Path) -> Array:
    try:
        array: Array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        name = shown(file.stem)
        if "Python objects" in str(error):
            raise BadInput(
                f"The array {name} holds pickled Python objects, which are never loaded: save it "
                "as numbers (or its labels as text), without dtype=object."
            ) from None
        raise BadInput(f"The array {name} is damaged or cut short: save the .npz again.") from None
    if array.ndim == 0:
        raise BadInput(f"The array {shown(file.stem)} is a single value: it needs a sample axis.")
    return array


def _match(arrays: dict[str, Array], inputs: tuple[TensorInfo, ...]) -> list[str]:
    """The array of each input, by name."""
    if len(inputs) == 1 and inputs[0].name not in arrays and len(arrays) == 1:
        return list(arrays)
    missing = [entry.name for entry in inputs if entry.name not in arrays]
    if missing:
        raise BadInput(
            f"The .npz holds no array for the model's input {listing(missing)}; besides the labels "
            f"it holds {listing(arrays, 6) or 'nothing'}: name each array after its input."
        )
    return [entry.name for entry in inputs]


def _fit(entry: TensorInfo, name: str, array: Array) -> Array:
    """Holds an array against its input; the cast itself is left to whoever reads rows."""
    if entry.shape and not _shapes_fit(entry.shape, array.shape):
        raise BadInput(_shape_sentence(entry, name, array.shape))
    target = input_dtype(entry)
    if not _can_cast(array, target):
        raise BadInput(
            f"The array {shown(name)} holds {array.dtype.name} values that the model's input "
            f"{shown(entry.name)} of type {target.name} cannot take: convert it to {target.name}."
        )
    return array


def _can_cast(array: Array, target: np.dtype[np.generic]) -> bool:
    kind = array.dtype.kind
    if target.kind == "f":
        return kind in "biuf"
    if target.kind == "b" or kind not in "biu":
        return bool(kind == target.kind)
    if np.can_cast(array.dtype, target) or not array.size:
        return True
    limits = np.iinfo(target.name)
    return bool(int(array.min()) >= limits.min and int(array.max()) <= limits.max)


def _shapes_fit(wanted: tuple[int | str, ...], given: tuple[int, ...]) -> bool:
    """Whether all axes after the first fit; a symbolic size fits any."""
    return len(wanted) == len(given) and all(
        not isinstance(size, int) or size == had
        for size, had in zip(wanted[1:], given[1:], strict=True)
    )


def _shape_sentence(entry: TensorInfo, name: str, given: tuple[int, ...]) -> str:
    start = (
        f"The array {shown(name)} has the shape {shape_words(given)} but the model's input "
        f"{shown(entry.name)} takes {shape_words(entry.shape)}"
    )
    for axes, words in ((_CHANNELS_FIRST, "channels last"), (_CHANNELS_LAST, "channels first")):
        turned = tuple(given[axis] for axis in axes) if len(given) == 4 else ()
        if turned and _shapes_fit(entry.shape, turned):
            return f"{start}: it is {words}, so transpose it with transpose{axes}."
    if len(given) + 1 == len(entry.shape):
        return f"{start}: it lacks an axis; the first must count the samples."
    return f"{start}: give one row per sample in the shape that the input takes."


def _read_labels(name: str, labels: Array) -> tuple[str, ...]:
    """Labels as text: class numbers, names, or the position of the 1 in one-hot rows."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "biuf":
        return tuple(str(position) for position in _one_hot(name, labels).tolist())
    if labels.ndim > 1 and labels.size != len(labels):
        raise BadInput(
            f"The array {shown(name)} has the shape {shape_words(labels.shape)}: give one class "
            "per sample, or one-hot rows."
        )
    flat = labels.reshape(-1)
    if flat.dtype.kind == "f":
        if not np.all(np.isfinite(flat)) or np.any(flat != np.floor(flat)):
            raise BadInput(
                f"The array {shown(name)} holds fractions or NaN: classes must be whole numbers."
            )
        flat = flat.astype(np.int64)
    if flat.dtype.kind == "b":
        flat = flat.astype(np.int64)
    if flat.dtype.kind == "S":
        flat = np.char.decode(flat.astype(np.bytes_), "utf-8", "replace")
    if flat.dtype.kind not in "iuU":
        raise BadInput(
            f"The array {shown(name)} is of type {flat.dtype.name}: classes must be whole numbers "
            "or names."
        )
    return tuple(str(value) for value in flat.tolist())


def _one_hot(name: str, labels: Array) -> NDArray[np.int64]:
    rows = np.asarray(labels)
    if not np.all((rows == 0) | (rows == 1)) or not np.all(rows.sum(axis=1) == 1):
        raise BadInput(
            f"The array {shown(name)} has the shape {shape_words(labels.shape)} but its rows are "
            "not one-hot: give one class per sample."
        )
    positions: NDArray[np.int64] = rows.argmax(axis=1)
    return positions
