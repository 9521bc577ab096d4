"""Reads prepared data: the samples that go into the model, and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.records import PreparedData, SplitName, Splits

if TYPE_CHECKING:  # numpy costs 0.1 s, and not every child needs it
    import numpy as np
    from numpy.typing import NDArray


def load_inputs(prepared: PreparedData, split: SplitName | None = None) -> dict[str, NDArray[Any]]:
    """Opens the inputs of a split, or of all samples, by the name of the model's input.

    Returns:
        Read-only arrays of shape ``(samples, ...)``, mapped from their files, not loaded.
    """
    import numpy as np

    part = split_slice(prepared.profile.splits, split)
    folder = Path(prepared.folder) / "inputs"
    return {
        name: np.load(folder / f"{position}.npy", mmap_mode="r", allow_pickle=False)[part]
        for position, name in enumerate(prepared.input_names)
    }


def load_labels(prepared: PreparedData, split: SplitName | None = None) -> NDArray[np.int64]:
    """Reads the labels of a split, or of all samples; shape ``(samples,)``."""
    import numpy as np

    labels: NDArray[np.int64] = np.load(Path(prepared.folder) / "labels.npy", allow_pickle=False)
    return labels[split_slice(prepared.profile.splits, split)]


def split_slice(splits: Splits, name: SplitName | None) -> slice:
    """Returns the positions of a split's samples in prepared data; ``None``: of all splits."""
    search = splits.calibration
    confirm = search + splits.search
    end = confirm + splits.confirm
    match name:
        case "calibration":
            return slice(0, search)
        case "search":
            return slice(search, confirm)
        case "confirm":
            return slice(confirm, end)
        case None:
            return slice(0, end)
