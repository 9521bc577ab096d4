"""Tells what a dataset is, unpacks it if need be, and hands it to its reader."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from core.datasets.readers.class_folders import read_class_folders
from core.datasets.readers.labels_csv import read_labels_csv
from core.datasets.readers.lists import find_list, read_classes
from core.datasets.readers.npz import read_npz
from core.datasets.readers.tree import Tree, list_tree
from core.datasets.samples import Images, Samples
from core.datasets.training import TRAINING_LIST
from core.datasets.wording import listing, shown
from core.records import BadInput, ModelProfile
from core.sandbox import safe_unpack

_KINDS = (
    "a folder or zip with one subfolder of pictures per class, one with pictures and labels.csv, "
    "or an .npz"
)


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
        return replace(_unpack(packed[0], scratch / "arrays"), beside=tree.at_top(suffix=".txt"))
    return tree


def read_samples(tree: Tree, model: ModelProfile) -> Samples:
    """Reads a dataset of any kind for a model.

    Raises:
        BadInput: It holds no samples, or they do not fit the model's inputs; or it lists the
            training files of samples that are arrays, of which no file's digest can tell.
    """
    if _is_arrays(tree):
        if find_list(tree, TRAINING_LIST) is not None:
            raise BadInput(
                f"{TRAINING_LIST} lists files, which arrays are not: remove it, and leave out of "
                "the arrays the samples that the model was trained on."
            )
        return read_npz(tree, model, read_classes(tree))
    return read_images(tree)


def read_images(tree: Tree) -> Images:
    """Reads a dataset of pictures.

    Beside the pictures or their folders there may be two lists: ``classes.txt``, with the name of
    each of the model's outputs in order, and ``training.txt``, with the SHA-256 digests of the
    files that the model was trained on, as ``sha256sum`` prints them.

    Raises:
        BadInput: It holds no pictures, or they have no labels.
    """
    if not tree.pictures:
        suffixes = sorted({file.suffix.lower() or "no suffix" for file in tree.files})
        raise BadInput(
            "The dataset holds no pictures or arrays, only files of the kinds "
            f"{listing(suffixes)}: give {_KINDS}."
        )
    classes = read_classes(tree)
    tables = tree.at_top("labels.csv") or tree.at_top(suffix=".csv")
    if len(tables) > 1:
        raise BadInput(
            f"The dataset holds several tables ({listing(table.name for table in tables)}): name "
            "the one with the labels labels.csv."
        )
    if tables:
        images = read_labels_csv(tree, tables[0], classes)
    else:
        images = read_class_folders(tree, classes)
    return replace(images, training_list=find_list(tree, TRAINING_LIST))


def is_pictures(tree: Tree) -> bool:
    """Whether a dataset's samples are pictures rather than arrays."""
    return not _is_arrays(tree)


def _is_arrays(tree: Tree) -> bool:
    return not tree.pictures and any(file.suffix.lower() == ".npy" for file in tree.files)


def _unpack(archive: Path, folder: Path) -> Tree:
    safe_unpack(archive, folder)
    return list_tree(folder)
