"""What the peers' scripts share; runs in a peer's own environment, with what that has.

    python run_PEER.py RECIPE MODEL.onnx CALIBRATION.npz OUT.onnx

``CALIBRATION.npz`` holds one array per model input, by name, samples first. The last line
printed is JSON: the seconds the recipe took, the peer's own imports not among them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Feed = dict[str, NDArray[Any]]


class Samples:
    """The calibration samples, one a run, in the forms that the peers ask for."""

    def __init__(self, arrays: Feed) -> None:
        self.arrays = arrays
        self._position = 0

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, position: int) -> Feed:
        if not 0 <= position < len(self):
            raise IndexError(position)
        return {name: array[position : position + 1] for name, array in self.arrays.items()}

    def __iter__(self) -> Iterator[Feed]:
        return (self[position] for position in range(len(self)))

    def get_next(self) -> Feed | None:
        """The next sample, as onnxruntime's calibrators ask for it."""
        if self._position == len(self):
            return None
        self._position += 1
        return self[self._position - 1]

    def rewind(self) -> None:
        """Starts again at the first sample."""
        self._position = 0


@dataclass(frozen=True)
class Job:
    """What a recipe works on."""

    model: str
    samples: Samples
    out: str


def main(recipes: dict[str, Callable[[Job], None]]) -> None:
    """Runs the recipe that the command line names."""
    recipe, model, calibration, out = sys.argv[1:]
    with np.load(calibration, allow_pickle=False) as file:
        samples = Samples({name: file[name] for name in file.files})
    started = time.perf_counter()
    recipes[recipe](Job(model, samples, out))
    seconds = time.perf_counter() - started
    if not Path(out).is_file():
        raise SystemExit(f"{recipe} ended without a model.")
    print("\n" + json.dumps({"seconds": seconds}))
