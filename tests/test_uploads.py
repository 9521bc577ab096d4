"""What the upload pages ask for, with a real store and the real sandbox."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING
from core.records import BadInput, ModelProfile
from core.storage import Settings, Storage, StoredFile, open_storage
from core.uploads import check_dataset, check_model, preview_samples, try_presets
from tests.fixtures import broken


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    data = tmp_path_factory.mktemp("house") / "data"
    settings = Settings(f"sqlite:///{data / 'test.db'}", str(data / "store"), data / "work")
    storage = open_storage(settings)
    yield storage
    assert list(settings.work.iterdir()) == [], "every private folder is removed"
    storage.engine.dispose()


def put(storage: Storage, *paths: Path) -> list[StoredFile]:
    files = []
    for path in paths:
        with path.open("rb") as stream:
            files.append(storage.files.put(stream, path.name))
    return files


@pytest.fixture(scope="module")
def model(storage: Storage) -> ModelProfile:
    return check_model(storage, put(storage, MODEL_PATH))


def test_a_model_of_one_file_is_profiled(model: ModelProfile) -> None:
    assert (model.family, model.precision) == ("cnn", "float32")
    assert model.size_bytes == MODEL_PATH.stat().st_size


def test_a_model_of_two_files_needs_both(storage: Storage) -> None:
    small = broken.HERE / "cnn_external.onnx"
    weights = broken.HERE / "cnn_external.onnx.data"

    whole = check_model(storage, put(storage, weights, small))

    assert whole.size_bytes == small.stat().st_size + weights.stat().st_size
    with pytest.raises(BadInput, match="is missing: give both files together"):
        check_model(storage, put(storage, small))
    with pytest.raises(BadInput, match=r"holds only weights: give the \.onnx file"):
        check_model(storage, put(storage, weights))


def test_a_dataset_is_profiled_for_the_model(storage: Storage, model: ModelProfile) -> None:
    dataset = check_dataset(storage, put(storage, DATA_PATH), model, None)
    assert (dataset.kind, dataset.samples, dataset.classes) == ("class_folders", 1197, 10)
    assert sum((dataset.splits.calibration, dataset.splits.search, dataset.splits.confirm)) == 1197


def test_a_bad_dataset_is_said_in_a_sentence(
    storage: Storage, model: ModelProfile, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="leads out of the zip"):
        check_dataset(storage, put(storage, broken.zip_slip(tmp_path)), model, None)


def test_samples_are_shown_before_and_after(storage: Storage) -> None:
    previews = preview_samples(storage, put(storage, DATA_PATH), PREPROCESSING)

    assert len(previews) == 6
    for shown in previews:
        assert Image.open(io.BytesIO(shown.original)).format == "PNG"
        assert Image.open(io.BytesIO(shown.preprocessed)).size == (32, 32)
        assert 0 <= shown.minimum <= shown.mean <= shown.maximum <= 1
        assert shown.label in "0123456789"
    assert len({shown.label for shown in previews}) > 1


def test_presets_are_tried_on_the_uploads(storage: Storage, model: ModelProfile) -> None:
    files = put(storage, MODEL_PATH), put(storage, DATA_PATH)
    said: list[str] = []
    found = try_presets(storage, *files, model, lambda _fraction, words: said.append(words))
    assert found.best is not None
    assert found.best.preset == "zero_one"
    assert "trying zero_one" in said
