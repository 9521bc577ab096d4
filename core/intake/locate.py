"""Finds the one model in what was given: a file, a folder, or a zip of either."""

from __future__ import annotations

import zipfile
from pathlib import Path

from core.intake.external import external_files
from core.intake.parse import read_model
from core.records import BadInput
from core.sandbox.archive import safe_unpack

_LISTED = 5
_OTHER_FORMATS = {
    ".pt": "PyTorch",
    ".pth": "PyTorch",
    ".pkl": "PyTorch",
    ".h5": "Keras",
    ".keras": "Keras",
    ".tflite": "TensorFlow Lite",
    ".pb": "TensorFlow",
    ".safetensors": "safetensors",
    ".gguf": "GGUF",
}


def locate_model(path: Path, folder: Path) -> Path:
    """Finds the one ``.onnx`` file.

    Args:
        path: An ``.onnx`` file (its external data beside it), a folder, or a zip of these.
        folder: An empty folder that a zip is unpacked into.

    Returns:
        The path of the ``.onnx`` file; its content is not looked at yet.

    Raises:
        BadInput: There is none, there are several, or the zip cannot be unpacked.
    """
    if path.is_dir():
        return _only_model(path, path.name)
    if not path.is_file():
        raise BadInput(f"There is no file or folder '{path.name}': check the path.")
    if path.suffix.lower() != ".onnx" and zipfile.is_zipfile(path):
        safe_unpack(path, folder)
        return _only_model(folder, path.name)
    if path.suffix.lower() in _OTHER_FORMATS:
        kind = _OTHER_FORMATS[path.suffix.lower()]
        raise BadInput(f"'{path.name}' is a {kind} file: export the model to ONNX.")
    if path.suffix.lower() in (".data", ".onnx_data"):
        raise BadInput(
            f"'{path.name}' holds only weights: give the .onnx file it belongs to as well."
        )
    return path


def model_files(path: Path) -> tuple[Path, ...]:
    """The ``.onnx`` file and the external-data files beside it, which make the model together.

    Raises:
        BadInput: The file is not a whole ONNX model, or its external data is missing or not
            beside it.
    """
    return path, *external_files(read_model(path), path.parent)


def _only_model(folder: Path, name: str) -> Path:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not _hidden(file))
    models = [file for file in files if file.suffix.lower() == ".onnx"]
    if len(models) == 1:
        return models[0]
    if models:
        names = [str(model.relative_to(folder)) for model in models]
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise BadInput(
            f"'{name}' holds {len(names)} models ({', '.join(names[:_LISTED])}{more}): "
            "give the one that is to be evaluated."
        )
    kinds = {_OTHER_FORMATS[s] for f in files if (s := f.suffix.lower()) in _OTHER_FORMATS}
    found = f" but {' and '.join(sorted(kinds))} files" if kinds else ""
    raise BadInput(f"'{name}' holds no .onnx file{found}: export the model to ONNX.")


def _hidden(file: Path) -> bool:
    return file.name.startswith(".") or "__MACOSX" in file.parts
