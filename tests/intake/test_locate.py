from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from core.intake import locate_model, model_files
from core.records import BadInput
from tests.intake.net import perceptron, save, save_with_data


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


def zipped(path: Path, *files: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, inside + file.name)
    return path


def test_a_file_is_itself(tmp_path: Path, unpacked: Path) -> None:
    path = save(perceptron(), tmp_path)
    assert locate_model(path, unpacked) == path
    assert model_files(path) == (path,)


def test_weights_beside_the_file_belong_to_it(tmp_path: Path, unpacked: Path) -> None:
    path = save_with_data(perceptron(), tmp_path)
    assert locate_model(path, unpacked) == path
    assert model_files(path) == (path, tmp_path / "model.onnx.data")


def test_a_zip_is_unpacked_with_its_weights(tmp_path: Path, unpacked: Path) -> None:
    path = save_with_data(perceptron(), tmp_path)
    archive = zipped(tmp_path / "model.zip", *model_files(path), inside="export/")
    found = locate_model(archive, unpacked)
    assert found == unpacked / "export" / "model.onnx"
    assert [file.read_bytes() for file in model_files(found)] == [
        file.read_bytes() for file in model_files(path)
    ]


def test_a_folder_is_searched(tmp_path: Path, unpacked: Path) -> None:
    (tmp_path / "exports" / "deep").mkdir(parents=True)
    path = save(perceptron(), tmp_path / "exports" / "deep", "MODEL.ONNX")
    (tmp_path / "exports" / "._model.onnx").write_bytes(b"what macOS leaves")
    (tmp_path / "exports" / "readme.txt").write_text("hello")
    assert locate_model(tmp_path / "exports", unpacked) == path


def test_several_models_are_listed(tmp_path: Path, unpacked: Path) -> None:
    files = [save(perceptron(), tmp_path, f"{name}.onnx") for name in "fedcba"]
    with pytest.raises(BadInput, match=r"6 models \(a.onnx, b.onnx, .* and 1 more\)"):
        locate_model(zipped(tmp_path / "models.zip", *files), unpacked)


def test_another_format_is_named(tmp_path: Path, unpacked: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"PK")
    with pytest.raises(BadInput, match=r"'net.pt' is a PyTorch file: export"):
        locate_model(tmp_path / "net.pt", unpacked)
    archive = zipped(tmp_path / "net.zip", tmp_path / "net.pt")
    with pytest.raises(BadInput, match=r"holds no .onnx file but PyTorch files"):
        locate_model(archive, unpacked)


def test_weights_alone_ask_for_their_model(tmp_path: Path, unpacked: Path) -> None:
    save_with_data(perceptron(), tmp_path)
    with pytest.raises(BadInput, match=r"holds only weights: give the \.onnx"):
        locate_model(tmp_path / "model.onnx.data", unpacked)


def test_a_zip_that_leaves_its_folder_is_refused(tmp_path: Path, unpacked: Path) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("../model.onnx", perceptron().SerializeToString())
    with pytest.raises(BadInput):
        locate_model(tmp_path / "slip.zip", unpacked)
    assert not (tmp_path / "model.onnx").exists()


def test_nothing_there(tmp_path: Path, unpacked: Path) -> None:
    with pytest.raises(BadInput, match=r"There is no file or folder 'model\.onnx'"):
        locate_model(tmp_path / "model.onnx", unpacked)
