from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.intake.tensors import bits_of, check_length, stored_bytes
from core.records import BadInput

KNOWN = [kind for kind in TensorProto.DataType.values() if kind not in (0, TensorProto.STRING)]


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("elements", [0, 1, 5, 8])
def test_sizes_are_those_that_onnx_packs(kind: int, elements: int) -> None:
    values = np.zeros(elements, helper.tensor_dtype_to_np_dtype(kind))
    packed = numpy_helper.from_array(values, "values")
    assert packed.data_type == kind
    assert len(packed.raw_data) == stored_bytes(kind, elements)
    check_length("values", packed)


@pytest.mark.parametrize("kind", KNOWN)
def test_typed_fields_are_counted_as_onnx_fills_them(kind: int) -> None:
    values = np.zeros(6, helper.tensor_dtype_to_np_dtype(kind))
    tensor = helper.make_tensor("values", kind, [6], values.tolist())
    assert not tensor.HasField("raw_data")
    check_length("values", tensor)
    tensor.dims[0] = 60
    with pytest.raises(BadInput, match="cut off or damaged: the tensor 'values'"):
        check_length("values", tensor)


def test_missing_bytes_are_noticed() -> None:
    tensor = numpy_helper.from_array(np.zeros((3, 4), np.float32), "w")
    tensor.raw_data = tensor.raw_data[:-4]
    with pytest.raises(BadInput, match="should hold 48 bytes but holds 44"):
        check_length("w", tensor)


@pytest.mark.parametrize("dims", [[2**62, 2**62], [-1, 4], [-3, -4]])
def test_impossible_sizes_are_refused(dims: list[int]) -> None:
    tensor = numpy_helper.from_array(np.zeros(12, np.float32), "w")
    del tensor.dims[:]
    tensor.dims.extend(dims)
    with pytest.raises(BadInput, match="damaged"):
        check_length("w", tensor)


def test_unknown_types_are_refused() -> None:
    assert bits_of(999) == 0
    tensor = TensorProto(name="w", data_type=999, dims=[4], raw_data=b"1234")
    with pytest.raises(BadInput, match="unknown type 999"):
        check_length("w", tensor)


def test_strings_are_counted() -> None:
    tensor = helper.make_tensor("labels", TensorProto.STRING, [2], ["cat", "dog"])
    check_length("labels", tensor)
    tensor.dims[0] = 3
    with pytest.raises(BadInput, match="labels"):
        check_length("labels", tensor)


def test_four_bit_values_share_bytes() -> None:
    assert np.dtype(ml_dtypes.int4).itemsize == 1
    assert stored_bytes(TensorProto.INT4, 7) == math.ceil(7 / 2)
