"""External data: the files beside an ``.onnx`` that hold its weights.

Every reference is checked before any library follows it: an uploaded model must not be able to
read another file of the machine (https://onnx.ai/onnx/repo-docs/ExternalData.html;
GHSA-538c-55jv-c5g9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from onnx import TensorProto

from core.intake.tensors import elements_of, is_external, model_tensors, stored_bytes
from core.records import BadInput


@dataclass(frozen=True, slots=True)
class Span:
    """Where in which file the bytes of a tensor are."""

    file: Path
    offset: int
    length: int

    def read(self) -> bytes:
        """Reads the bytes."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


def external_files(model: onnx.ModelProto, folder: Path) -> tuple[Path, ...]:
    """The external-data files of a model, by name.

    Raises:
        BadInput: A reference cannot be followed; see :func:`locate_span`.
    """
    return tuple(sorted({span.file for span in _spans(model, folder)}))


def locate_span(name: str, tensor: TensorProto, folder: Path) -> Span:
    """Checks where a tensor's external data is.

    Args:
        name: What to call the tensor in a message.
        tensor: A tensor with external data.
        folder: The folder of the ``.onnx`` file.

    Raises:
        BadInput: The file is not a plain file in ``folder``, or too short for the tensor.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    file = _plain_sibling(location, folder)
    expected = stored_bytes(tensor.data_type, elements_of(name, tensor.dims))
    size = file.stat().st_size
    offset = _whole_number(name, entries.get("offset", "0"))
    length = _whole_number(name, entries.get("length", str(expected)))
    if tensor.data_type == TensorProto.STRING or length != expected:
        raise BadInput(
            f"The tensor '{name}' should have {expected:,} bytes in '{location}' but claims "
            f"{length:,}: export the model again."
        )
    if offset + length > size:
        raise BadInput(
            f"The weights file '{location}' is cut off or belongs to another model: it has "
            f"{size:,} bytes, the tensor '{name}' ends at {offset + length:,}."
        )
    return Span(file=file, offset=offset, length=length)


def _spans(model: onnx.ModelProto, folder: Path) -> Iterator[Span]:
    for name, tensor in model_tensors(model):
        if is_external(tensor):
            yield locate_span(name, tensor, folder)


def _plain_sibling(location: str, folder: Path) -> Path:
    # Also refuses "*/_ORT_MEM_ADDR_/*", which onnxruntime takes for an address in its memory.
    plain = PurePosixPath(location).name == location == PureWindowsPath(location).name
    if not plain or location in ("", ".", "..") or "\0" in location:
        raise BadInput(
            f"The model keeps weights in '{location}', but they must lie beside the .onnx file: "
            "export it with the weights in the same folder."
        )
    file = folder / location
    if file.is_symlink():
        raise BadInput(f"The weights file '{location}' is a link: give the file itself.")
    if not file.is_file():
        raise BadInput(
            f"The model keeps its weights in '{location}', which is missing: "
            "give both files together."
        )
    return file


def _whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        raise BadInput(
            f"The tensor '{name}' says that its weights are at '{text[:40]}', which is no "
            "position in a file: export the model again."
        )
    return int(text)
