"""The folder of a running evaluation on this machine: in from the store, out to the store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.storage import Storage, StoredEvaluation, StoredFile

_OUTPUTS = ("models", "raw")
_UPLOAD_S = 86_400.0


class Workspace:
    """Files of one evaluation while it runs.

    Args:
        storage: Its settings say where; its store has the uploads.
        id: The evaluation's.
    """

    def __init__(self, storage: Storage, id: str) -> None:
        self._files = storage.files
        self._folder = storage.settings.work / id

    @property
    def results(self) -> Path:
        """The evaluation's own folder."""
        return self._folder / "results"

    def fetch(self, evaluation: StoredEvaluation) -> tuple[Path, Path]:
        """Brings the model and the dataset: a file each, or a folder where they are several."""
        return (
            self._bring(evaluation.model_files, self._folder / "model"),
            self._bring(evaluation.data_files, self._folder / "data"),
        )

    def keep(self) -> tuple[StoredFile, ...]:
        """Puts the made models and the raw samples into the store."""
        return tuple(
            self._files.put(path, path.relative_to(self.results).as_posix())
            for name in _OUTPUTS
            for path in sorted((self.results / name).rglob("*"))
            if path.is_file() and not path.is_symlink()
        )

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _bring(self, files: Sequence[StoredFile], folder: Path) -> Path:
        for file in files:
            target = folder / file.name
            if not target.exists():
                self._files.fetch(file.sha256, target)
        return folder / files[0].name if len(files) == 1 else folder


def remove_others(storage: Storage, keep: Iterable[str]) -> None:
    """Removes the folders of all evaluations but these, as a worker that died left them.

    Beside them are the folders in which a server has uploads looked at (:mod:`core.uploads`): of
    these only what is left from the day before.
    """
    kept = set(keep)
    for folder in storage.settings.work.glob("*/"):
        if folder.name in kept or (folder.name.startswith("upload-") and _is_young(folder)):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _is_young(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime < _UPLOAD_S
    except FileNotFoundError:
        return False
