from pathlib import Path

import numpy as np
import pytest

from core.quantization.calibration import CalibrationSamples
from core.records import BadInput
from tests.quantization.digits import SPLITS, Classifier


def quiet(_fraction: float, _words: str) -> None:
    pass


def all_samples(samples: CalibrationSamples) -> np.ndarray:
    runs = list(samples)
    return np.concatenate([run["images"] for run in runs])


def test_hands_out_the_calibration_split_and_nothing_else(excited: Classifier) -> None:
    given = all_samples(CalibrationSamples(excited.prepared, 100, 1, 0, quiet))
    every = np.load(Path(excited.prepared.folder) / "inputs" / "0.npy")
    np.testing.assert_array_equal(given, every[: SPLITS.calibration])


def test_fills_the_last_run_of_a_fixed_batch_with_samples_it_has(excited: Classifier) -> None:
    samples = CalibrationSamples(excited.prepared, 10, 4, 0, quiet)
    runs = [run["images"] for run in samples]
    assert [run.shape for run in runs] == [(4, 1, 16, 16)] * 3
    np.testing.assert_array_equal(runs[2][2:], runs[2][:2])


def test_the_seed_chooses_where_there_are_more_than_needed(excited: Classifier) -> None:
    first, again, other = (CalibrationSamples(excited.prepared, 10, 1, s, quiet) for s in (1, 1, 2))
    assert first.identity == again.identity != other.identity
    np.testing.assert_array_equal(all_samples(first), all_samples(again))


def test_says_that_there_is_nothing_to_calibrate_with(excited: Classifier) -> None:
    with pytest.raises(BadInput, match="no calibration samples"):
        CalibrationSamples(excited.prepared, 0, 1, 0, quiet)


def test_starts_over_with_the_same_samples(excited: Classifier) -> None:
    samples = CalibrationSamples(excited.prepared, 70, 1, 0, quiet)
    first = all_samples(samples)
    assert samples.get_next() is None
    samples.rewind()
    np.testing.assert_array_equal(all_samples(samples), first)
