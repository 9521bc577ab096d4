"""From bytes that nobody has looked at to a parsed model, or one sentence on what they are."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from core.intake.tensors import model_nodes, model_tensors
from core.records import BadInput

_LARGEST_PROTOBUF = 2**31 - 1
# What people upload in place of an ONNX file: (position, bytes there, what it is).
_SIGNATURES = (
    (0, b"PK\x03\x04", "a zip archive or a PyTorch checkpoint"),
    (0, b"\x80\x02", "a PyTorch or Python pickle"),
    (0, b"\x89HDF", "a Keras or HDF5 file"),
    (4, b"TFL3", "a TensorFlow Lite file"),
    (4, b"ORTM", "a file in onnxruntime's own ORT format"),
    (8, b'{"', "a safetensors file"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
)


def read_model(path: Path) -> onnx.ModelProto:
    """Parses an ``.onnx`` file, without following its external data.

    Raises:
        BadInput: It is no file, empty, too large for protobuf, cut off, or not ONNX.
    """
    if not path.is_file():
        raise BadInput(f"There is no file '{path.name}'.")
    size = path.stat().st_size
    if size == 0:
        raise BadInput(f"'{path.name}' is empty: export or upload the model again.")
    if size > _LARGEST_PROTOBUF:
        raise BadInput(
            f"'{path.name}' is larger than 2 GB, more than the format allows: export it with "
            "its weights as external data."
        )
    model = onnx.ModelProto()
    try:
        # Parsed from the mapped file: protobuf copies each weight once, nobody copies them twice.
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
        ):
            model.ParseFromString(view)
    except DecodeError:
        raise BadInput(_what_it_is(path)) from None
    _check_whole(path, model)
    return model


def _check_whole(path: Path, model: onnx.ModelProto) -> None:
    if not model.HasField("graph"):
        raise BadInput(_what_it_is(path))
    if not model.opset_import:
        raise BadInput(
            f"'{path.name}' does not say which opset it uses, so it is cut off or damaged: "
            "export or upload it again."
        )
    if not model.graph.node:
        raise BadInput(f"'{path.name}' has no operators, so there is nothing to run.")
    if not model.graph.output:
        raise BadInput(f"'{path.name}' has no outputs: export the model again.")
    if not all(isinstance(name, str) for name in _names(model)):
        raise BadInput(f"'{path.name}' has unreadable names, so it is damaged: upload it again.")


def _names(model: onnx.ModelProto) -> Iterator[str]:
    """Every name in a model; protobuf hands over those that are not UTF-8 as bytes."""
    for entry in model.opset_import:
        yield entry.domain
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for function in model.functions:
        yield from (function.domain, function.name, *function.input, *function.output)
    for node in model_nodes(model):
        yield from (node.op_type, node.domain, node.name, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for name, tensor in model_tensors(model):
        yield from (name, *(entry.value for entry in tensor.external_data))


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    for position, signature, words in _SIGNATURES:
        if head[position:].startswith(signature):
            return f"'{path.name}' is {words}: export the model to ONNX."
    # An ONNX file begins with field 1, its small ir_version.
    if len(head) > 2 and head[0] == 0x08 and head[1] < 0x40:
        return f"'{path.name}' is cut off or damaged: export or upload it again."
    return f"'{path.name}' is not an ONNX model: export the model to ONNX."


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of a model.

    Args:
        files: The ``.onnx`` file, then its external-data files.

    Returns:
        In hex: of the one file, or, if there are several, of their (binary) digests one after
        another in the order of the files' names.
    """
    digests = []
    for file in sorted(files, key=lambda file: file.name):
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(one.digest() for one in digests)).hexdigest()
