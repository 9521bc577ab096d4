"""The preprocessing finder on the example: only what fits its training stands out."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import sandbox
from core.example import DATA_PATH, MODEL_PATH
from core.finder import find_preprocessing
from core.intake import profile_model
from core.records import BadInput, Deployment, ModelProfile


@pytest.fixture(scope="module")
def model() -> ModelProfile:
    return sandbox.call(profile_model, MODEL_PATH)


def test_the_preprocessing_of_the_training_is_found(model: ModelProfile, tmp_path: Path) -> None:
    said: list[tuple[float, str]] = []
    folder = tmp_path / "finder"
    found = find_preprocessing(
        *(MODEL_PATH, model, DATA_PATH, Deployment(), 0, folder),
        lambda fraction, words: said.append((fraction, words)),
    )

    assert found.best is not None
    assert found.best.preset == "zero_one"
    assert (found.best.color, found.best.height, found.best.width) == ("L", 32, 32)
    assert found.accuracies["zero_one"] > 0.95
    assert found.accuracies["zero_one"] == max(found.accuracies.values())
    assert found.accuracies["zero_255"] < found.accuracies["zero_one"]
    assert found.samples == 200
    assert list(dict.fromkeys(words for _, words in said)) == [
        f"trying {name}" for name in found.accuracies
    ]
    assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
    assert not folder.exists()


def test_there_is_nothing_to_find_for_arrays(
    model: ModelProfile, few_samples: Path, tmp_path: Path
) -> None:
    found = find_preprocessing(
        *(MODEL_PATH, model, few_samples, Deployment(), 0, tmp_path / "finder"),
        lambda _fraction, _words: None,
    )
    assert (found.best, found.clearly, found.accuracies) == (None, True, {})


def test_what_cannot_be_read_is_said_and_nothing_is_left(
    model: ModelProfile, tmp_path: Path
) -> None:
    folder = tmp_path / "finder"
    with pytest.raises(BadInput, match=r"There is no dataset nowhere\.zip"):
        find_preprocessing(
            *(MODEL_PATH, model, tmp_path / "nowhere.zip", Deployment(), 0, folder),
            lambda _fraction, _words: None,
        )
    assert not folder.exists()
