"""Tells what a dataset is, unpacks it if need be, and hands it to its reader."""

from __future__ import annotations

import zipfile
from pathlib import Path

from core.datasets.readers.class_folders import read_class_folders
from core.datasets.readers.labels_csv import read_labels_csv
from core.datasets.readers.npz import read_npz
from core.datasets.readers.tree import Tree, list_tree
from core.datasets.samples import Images, Samples
from core.datasets.wording import listing, shown
from core.records import BadInput, ModelProfile
from core.sandbox import safe_unpack

_KINDS = (
    "a folder or zip with one subfolder of pictures per class, one with pictures and labels.csv, "
    "or an .npz"
)
_MAX_CLASSES_FILE = 10_000_000  # bytes


def open_source(path: Path, scratch: Path) -> Tree:
    """Lists a dataset's files, unpacked where they were packed.

    What it is follows from what it holds, never from its name: an ``.npz`` is a zip of
    ``.npy`` files.

    Args:
        path: A folder, a zip or an ``.npz``.
        scratch: An empty folder that unpacked files go to.

    Raises:
        BadInput: It is none of these, empty, or not safe to unpack.
    """
    if path.is_dir():
        tree = list_tree(path)
    elif not path.is_file():
        raise BadInput(f"There is no dataset {shown(path.name)}: check the path.")
    elif path.stat().st_size == 0:
        raise BadInput(f"The dataset {shown(path.name)} is empty (0 bytes): choose it again.")
    elif not zipfile.is_zipfile(path):
        raise BadInput(f"{shown(path.name)} is no dataset that can be read: give {_KINDS}.")
    else:
        tree = _unpack(path, scratch / "dataset")
    packed = tree.at_top(suffix=".npz")
    if len(packed) == 1 and not tree.pictures:
        return _unpack(packed[0], scratch / "arrays")
    return tree


def read_samples(tree: Tree, model: ModelProfile) -> Samples:
    """Reads a dataset of any kind for a model.

    Raises:
        BadInput: It holds no samples, or they do not fit the model's inputs.
    """
    if _is_arrays(tree):
        return read_npz(tree, model, _read_classes(tree))
    return read_images(tree)


def read_images(tree: Tree) -> Images:
    """Reads a dataset of pictures.

    Raises:
        BadInput: It holds no pictures, or they have no labels.
    """
    if not tree.pictures:
        suffixes = sorted({file.suffix.lower() or "no suffix" for file in tree.files})
        raise BadInput(
            "The dataset holds no pictures or arrays, only files of the kinds "
            f"{listing(suffixes)}: give {_KINDS}."
        )
    classes = _read_classes(tree)
    tables = tree.at_top("labels.csv") or tree.at_top(suffix=".csv")
    if len(tables) > 1:
        raise BadInput(
            f"The dataset holds several tables ({listing(table.name for table in tables)}): name "
            "the one with the labels labels.csv."
        )
    if tables:
        return read_labels_csv(tree, tables[0], classes)
    return read_class_folders(tree, classes)


def is_pictures(tree: Tree) -> bool:
    """Whether a dataset's samples are pictures rather than arrays."""
    return not _is_arrays(tree)


def _is_arrays(tree: Tree) -> bool:
    return not tree.pictures and any(file.suffix.lower() == ".npy" for file in tree.files)


def _unpack(archive: Path, folder: Path) -> Tree:
    safe_unpack(archive, folder)
    return list_tree(folder)


def _read_classes(tree: Tree) -> tuple[str, ...] | None:
    """The lines of ``classes.txt``, one class name per output; None if there is none."""
    files = [
        file
        for file in tree.files
        if file.name.lower() == "classes.txt" and tree.root.is_relative_to(file.parent)
    ]
    if not files:
        return None
    if files[0].stat().st_size > _MAX_CLASSES_FILE:
        raise BadInput("classes.txt is too large: give one class name per line.")
    try:
        text = files[0].read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("classes.txt is not UTF-8 text: save it again in UTF-8.") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())
