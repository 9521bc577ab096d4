"""Datasets and model profiles that the tests of core.datasets are written with."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from core.records import ModelProfile, TensorInfo

ModelMaker = Callable[..., ModelProfile]


@pytest.fixture(scope="session")
def make_model() -> ModelMaker:
    """Makes the profile of a model that takes the given inputs."""

    def make(
        *shape: int | str,
        outputs: int | str = 10,
        dtype: str = "float",
        more_inputs: tuple[TensorInfo, ...] = (),
    ) -> ModelProfile:
        return ModelProfile(
            sha256="0" * 64,
            size_bytes=1,
            family="cnn",
            task="classification",
            precision="float32",
            opset=17,
            parameters=1,
            macs=1,
            inputs=(TensorInfo(name="x", dtype=dtype, shape=shape), *more_inputs),
            outputs=(TensorInfo(name="scores", dtype="float", shape=("N", outputs)),),
            operators=(),
            predicted_size_bytes={},
        )

    return make


@pytest.fixture
def digits_model(make_model: ModelMaker) -> ModelProfile:
    return make_model("N", 1, 8, 8)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 of scikit-learn's handwritten digits as PNGs of 8 x 8 pixels in folders 0 to 9."""
    folder = tmp_path_factory.mktemp("digits")
    data = load_digits()
    pixels = np.rint(data.images[:300] * 255 / 16).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, data.target[:300], strict=True)):
        save(image, folder / str(label) / f"{number:04}.png")
    return folder


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Makes a picture of smooth random blobs, unlike any other, as large as asked for."""

    def make(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        size = (width, height)
        return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))

    return make


def save(pixels: np.ndarray, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture(name="save")
def _save() -> Callable[..., Path]:
    """Writes pixels as a picture."""
    return save


@pytest.fixture
def zip_folder() -> Callable[[Path, Path], Path]:
    """Zips a folder's content."""

    def pack(folder: Path, archive: Path) -> Path:
        with zipfile.ZipFile(archive, "w") as sink:
            for file in sorted(folder.rglob("*")):
                sink.write(file, file.relative_to(folder))
        return archive

    return pack


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Writes arrays as an .npz file."""

    def write(**arrays: np.ndarray) -> Path:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        path = tmp_path / "data.npz"
        path.write_bytes(buffer.getvalue())
        return path

    return write
