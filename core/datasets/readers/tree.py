"""The files of a dataset folder, without what operating systems leave in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.datasets.images import OTHER_PICTURES, SUFFIXES
from core.datasets.wording import shown
from core.records import BadInput

_PICTURES = SUFFIXES | OTHER_PICTURES
_TABLES = frozenset({".csv", ".npy", ".npz"})
_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder's files, in the order of their paths."""

    root: Path
    files: tuple[Path, ...]
    beside: tuple[Path, ...] = ()
    """Text files that lay beside the archive that these files were packed in."""

    def relative(self, file: Path) -> tuple[str, ...]:
        """The parts of a file's path below the root."""
        return file.relative_to(self.root).parts

    @property
    def pictures(self) -> tuple[Path, ...]:
        """Files that are pictures by their names, readable or not."""
        return tuple(file for file in self.files if file.suffix.lower() in _PICTURES)

    def at_top(self, *names: str, suffix: str = "") -> tuple[Path, ...]:
        """Files directly in the root, by name (whatever its case) or by suffix."""
        return tuple(
            file
            for file in self.files
            if file.parent == self.root
            and (file.name.lower() in names or (suffix and file.suffix.lower() == suffix))
        )


def list_tree(folder: Path) -> Tree:
    """Lists a folder; its root is the first one down that all samples do not share.

    Hidden files and what macOS and Windows add are passed over. Links to folders are not
    followed.

    Raises:
        BadInput: There are no files.
    """
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        files += [Path(parent, name) for name in names if not _is_litter(name)]
    if not files:
        raise BadInput(f"{shown(folder.name)} is empty: it holds no files.")
    return Tree(_unwrap(folder, files), tuple(sorted(files)))


def _unwrap(root: Path, files: list[Path]) -> Path:
    """Goes down while all samples share one folder, but not into the folder of a class."""
    data = [file for file in files if file.suffix.lower() in _PICTURES | _TABLES]
    while data:
        paths = [file.relative_to(root).parts for file in data]
        one_class = all(len(parts) == 2 for parts in paths) and all(
            file.suffix.lower() in _PICTURES for file in data
        )
        tops = {parts[0] for parts in paths}
        if one_class or len(tops) > 1 or len(paths[0]) == 1:
            break
        root = root / tops.pop()
    return root


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER
