"""The committed files are what the example's description says of them."""

import io
import zipfile

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from core.datasets import profile_dataset
from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING
from core.intake import profile_model


def test_the_model_is_small_and_its_images_are_many() -> None:
    model = profile_model(MODEL_PATH)
    assert (model.family, model.precision, model.findings) == ("cnn", "float32", ())
    assert model.size_bytes < 1_000_000
    data = profile_dataset(DATA_PATH, model, PREPROCESSING, seed=0)
    assert (data.kind, data.samples, data.findings) == ("class_folders", 1197, ())
    assert data.class_names == tuple("0123456789")


def test_it_reads_digits_it_never_saw() -> None:
    with zipfile.ZipFile(DATA_PATH) as archive:
        names = archive.namelist()
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]
    inputs = np.stack(images)[:, None].astype(np.float32) * np.float32(PREPROCESSING.scale)
    session = onnxruntime.InferenceSession(MODEL_PATH, providers=["CPUExecutionProvider"])
    answers = session.run(["logits"], {"input": inputs})[0].argmax(1)
    assert np.mean(answers == [int(name[0]) for name in names]) > 0.98


@pytest.mark.parametrize("sign", [b"/home", b"/root", b"/tmp", b".py"])
def test_the_file_says_nothing_of_the_computer_it_was_made_on(sign: bytes) -> None:
    assert sign not in MODEL_PATH.read_bytes()
