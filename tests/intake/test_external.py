from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from core.intake import model_files, profile_model
from core.records import BadInput
from tests.intake.net import perceptron, save, save_with_data


def with_entries(folder: Path, change: Callable[[dict[str, str]], None]) -> Path:
    """A model with external data whose first tensor's reference was changed."""
    path = save_with_data(perceptron(), folder)
    model = onnx.load(path, load_external_data=False)
    tensor = model.graph.initializer[0]
    entries = {entry.key: entry.value for entry in tensor.external_data}
    change(entries)
    del tensor.external_data[:]
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return save(model, folder)


def test_weights_are_read_where_they_are(tmp_path: Path) -> None:
    beside = profile_model(save_with_data(perceptron(), tmp_path))
    (tmp_path / "one").mkdir()
    inside = profile_model(save(perceptron(), tmp_path / "one"))
    assert beside.parameters == inside.parameters == 8 * 32 + 32 + 32 * 3 + 3
    assert beside.operators == inside.operators
    assert beside.size_bytes == sum(
        (tmp_path / name).stat().st_size for name in ("model.onnx", "model.onnx.data")
    )


def test_missing_weights_are_asked_for(tmp_path: Path) -> None:
    path = save_with_data(perceptron(), tmp_path)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(BadInput, match=r"in 'model.onnx.data', which is missing: give both"):
        profile_model(path)


@pytest.mark.parametrize(
    "location",
    [
        "/etc/passwd",
        "../secret.bin",
        "sub/weights.bin",
        "..",
        ".",
        "",
        "C:\\weights.bin",
        "..\\weights.bin",
        "*/_ORT_MEM_ADDR_/*",
        "a\0b",
    ],
)
def test_other_places_are_never_opened(location: str, tmp_path: Path) -> None:
    (tmp_path / "models" / "sub").mkdir(parents=True)
    for name in ("secret.bin", "models/sub/weights.bin"):
        (tmp_path / name).write_bytes(b"\0" * 4096)
    path = with_entries(tmp_path / "models", lambda one: one.update(location=location))
    for read in (profile_model, model_files):
        with pytest.raises(BadInput, match=r"must lie beside the \.onnx file"):
            read(path)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    path = save_with_data(perceptron(), tmp_path / "models")
    data = tmp_path / "models" / "model.onnx.data"
    data.rename(tmp_path / "elsewhere.data")
    data.symlink_to(tmp_path / "elsewhere.data")
    with pytest.raises(BadInput, match="is a link"):
        profile_model(path)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"offset": "1000000"}, "cut off or belongs to another model"),
        ({"length": "4"}, "should have 1,024 bytes in 'model.onnx.data' but claims 4"),
        ({"length": "99999999999"}, "claims 99,999,999,999"),
        ({"offset": "-4"}, "no position in a file"),
        ({"offset": "0x10"}, "no position in a file"),
        ({"offset": "9" * 40}, "no position in a file"),
    ],
)
def test_spans_must_fit_the_file(entries: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words):
        profile_model(with_entries(tmp_path, lambda one: one.update(entries)))


def test_weights_cut_off_are_noticed(tmp_path: Path) -> None:
    path = save_with_data(perceptron(), tmp_path)
    data = tmp_path / "model.onnx.data"
    data.write_bytes(data.read_bytes()[:1500])
    with pytest.raises(BadInput, match="cut off"):
        profile_model(path)
