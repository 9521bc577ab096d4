from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from core.intake import profile_model
from core.intake.parse import digest, read_model
from core.records import BadInput
from tests.intake.net import perceptron, save, save_with_data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"this is a text file that somebody renamed\n" * 9, "is not an ONNX model"),
        (b"\0" * 1000, "is not an ONNX model"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "Git LFS pointer"),
        (b"PK\x03\x04" + b"\0" * 60, "PyTorch checkpoint"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "Keras or HDF5"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 60, "TensorFlow Lite"),
        (b"\xff" * 64, "is not an ONNX model"),
    ],
)
def test_what_is_no_model_is_said_to_be(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(BadInput, match=words):
        profile_model(tmp_path / "model.onnx")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = perceptron().SerializeToString()
    for length in range(1, len(whole), 7):
        (tmp_path / "cut.onnx").write_bytes(whole[:length])
        with pytest.raises(BadInput):
            profile_model(tmp_path / "cut.onnx")


def test_names_that_are_not_text_are_refused(tmp_path: Path) -> None:
    content = perceptron().SerializeToString().replace(b"gemm0", b"gem\xff0")
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(BadInput, match="unreadable names"):
        read_model(tmp_path / "model.onnx")


def test_a_model_that_does_nothing_is_refused(tmp_path: Path) -> None:
    model = perceptron()
    del model.graph.node[:]
    with pytest.raises(BadInput, match="no operators"):
        read_model(save(model, tmp_path))


def test_a_model_that_ends_before_its_opset_is_refused(tmp_path: Path) -> None:
    """The graph comes before the opset in the file; between them a cut still parses."""
    model = perceptron()
    del model.opset_import[:]
    with pytest.raises(BadInput, match="which opset it uses, so it is cut off"):
        read_model(save(model, tmp_path))


def test_digest_of_one_file_is_the_files(tmp_path: Path) -> None:
    path = save(perceptron(), tmp_path)
    assert digest([path]) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_digest_of_several_changes_with_each(tmp_path: Path) -> None:
    path = save_with_data(perceptron(), tmp_path)
    data = tmp_path / "model.onnx.data"
    parts = [hashlib.sha256(file.read_bytes()).digest() for file in (path, data)]
    before = digest([data, path])
    assert before == digest([path, data]) == hashlib.sha256(b"".join(parts)).hexdigest()
    data.write_bytes(data.read_bytes()[:-1] + b"\1")
    assert digest([path, data]) != before
