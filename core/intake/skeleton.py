"""A model without the weight of its weights: the graph, with every stored tensor checked.

What follows (inlining, shape inference) copies the model several times; without the values of
its weights that costs nothing, and a 500 MB model is profiled in about twice its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from core.intake.external import locate_span
from core.intake.parse import read_model
from core.intake.tensors import (
    TYPED_FIELDS,
    check_length,
    elements_of,
    is_external,
    model_tensors,
    stored_bytes,
)

# Shapes, axes and scalars stay: shape inference reads them.
_KEPT_ELEMENTS = 1024
_CHUNK_ELEMENTS = 2**22
_NUMPY_FLOATS: dict[int, np.dtype[np.generic]] = {
    TensorProto.FLOAT: np.dtype("<f4"),
    TensorProto.DOUBLE: np.dtype("<f8"),
    TensorProto.FLOAT16: np.dtype("<f2"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """A checked model whose tensors of more than 1,024 values have lost their values."""

    model: onnx.ModelProto
    files: tuple[Path, ...]
    """The ``.onnx`` file, then its external data."""
    not_a_number: tuple[str, ...]
    """Names of the tensors that hold NaN."""
    infinite: tuple[str, ...]
    """Names of the tensors that hold an infinity and no NaN."""


def read_skeleton(path: Path) -> Skeleton:
    """Reads, checks and empties a model.

    Raises:
        BadInput: The file is not a whole ONNX model; see :mod:`core.intake.parse`,
            :mod:`core.intake.tensors` and :mod:`core.intake.external`.
    """
    model = read_model(path)
    files: set[Path] = set()
    not_a_number: list[str] = []
    infinite: list[str] = []
    for name, tensor in model_tensors(model):
        if is_external(tensor):
            span = locate_span(name, tensor, path.parent)
            files.add(span.file)
            chunks = _external_chunks(tensor, span.file, span.offset)
            if elements_of(name, tensor.dims) <= _KEPT_ELEMENTS:
                tensor.raw_data = span.read()
        else:
            check_length(name, tensor)
            chunks = _chunks(tensor)
        worst = _worst(chunks)
        if worst == "nan":
            not_a_number.append(name)
        elif worst == "infinity":
            infinite.append(name)
        _empty(tensor)
    # A protobuf message never gives memory back; only a new, small one does.
    light = onnx.ModelProto.FromString(model.SerializeToString())
    return Skeleton(
        model=light,
        files=(path, *sorted(files)),
        not_a_number=tuple(not_a_number),
        infinite=tuple(infinite),
    )


def _chunks(tensor: TensorProto) -> Iterator[NDArray[np.generic]]:
    dtype = _NUMPY_FLOATS.get(tensor.data_type)
    if dtype is None:
        return
    if tensor.HasField("raw_data"):
        values = np.frombuffer(tensor.raw_data, dtype)
        for start in range(0, values.size, _CHUNK_ELEMENTS):
            yield values[start : start + _CHUNK_ELEMENTS]
    elif tensor.data_type == TensorProto.FLOAT16:
        yield np.fromiter(tensor.int32_data, np.uint16).view(dtype)
    elif tensor.data_type == TensorProto.FLOAT:
        yield np.fromiter(tensor.float_data, dtype, len(tensor.float_data))
    else:
        yield np.fromiter(tensor.double_data, dtype, len(tensor.double_data))


def _external_chunks(tensor: TensorProto, file: Path, offset: int) -> Iterator[NDArray[np.generic]]:
    dtype = _NUMPY_FLOATS.get(tensor.data_type)
    left = stored_bytes(tensor.data_type, elements_of(tensor.name, tensor.dims))
    if dtype is None:
        return
    with file.open("rb") as stream:
        stream.seek(offset)
        while block := stream.read(min(left, _CHUNK_ELEMENTS * dtype.itemsize)):
            left -= len(block)
            yield np.frombuffer(block, dtype)


def _worst(chunks: Iterator[NDArray[np.generic]]) -> str:
    found = ""
    for chunk in chunks:
        if np.isfinite(chunk).all():
            continue
        if np.isnan(chunk).any():
            return "nan"
        found = "infinity"
    return found


def _empty(tensor: TensorProto) -> None:
    tensor.ClearField("data_location")
    tensor.ClearField("external_data")
    if elements_of(tensor.name, tensor.dims) > _KEPT_ELEMENTS:
        for field in ("raw_data", *TYPED_FIELDS):
            tensor.ClearField(field)
