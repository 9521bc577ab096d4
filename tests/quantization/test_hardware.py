import platform
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.quantization.hardware import IntegerTypes, dynamic_types, static_types

HERE = platform.machine()


def flags_here() -> tuple[str, ...]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            return tuple(line.partition(":")[2].split())
    return ()


@pytest.mark.parametrize(
    ("flags", "architecture", "expected"),
    [
        (("avx2",), "x86_64", IntegerTypes("uint8", "int8", True)),
        (("avx2", "avx512f"), "AMD64", IntegerTypes("uint8", "int8", True)),
        (("avx2", "avx_vnni"), "x86_64", IntegerTypes("uint8", "int8", False)),
        (("avx512f", "avx512_vnni"), "x86_64", IntegerTypes("uint8", "int8", False)),
        (("amx_int8",), "x86_64", IntegerTypes("uint8", "int8", False)),
        (("asimddp", "i8mm"), "aarch64", IntegerTypes("int8", "int8", False)),
        ((), "arm64", IntegerTypes("int8", "int8", False)),
    ],
)
def test_static_types_follow_flags(
    flags: tuple[str, ...], architecture: str, expected: IntegerTypes
) -> None:
    assert static_types(flags, architecture) == expected


def test_dynamic_activations_are_unsigned_everywhere() -> None:
    assert dynamic_types((), "x86_64", convolutions=False) == IntegerTypes("uint8", "int8", True)
    assert dynamic_types((), "aarch64", convolutions=False) == IntegerTypes("uint8", "int8", False)
    for architecture in ("x86_64", "aarch64"):
        types = dynamic_types((), architecture, convolutions=True)
        assert types == IntegerTypes("uint8", "uint8", False)


@pytest.mark.parametrize("operator", ["MatMulInteger", "ConvInteger"])
def test_sums_of_the_largest_values_are_exact_on_this_machine(operator: str) -> None:
    types = dynamic_types(flags_here(), HERE, convolutions=operator == "ConvInteger")
    largest = {"uint8": 255, "int8": 64 if types.reduce_range else 127}[types.weight]
    depth = 256
    shape = (depth, 32) if operator == "MatMulInteger" else (32, depth, 1, 1)
    weights = np.full(shape, largest, types.weight)
    inputs = np.full((4, depth) if operator == "MatMulInteger" else (1, depth, 4, 4), 255, np.uint8)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"])],
        "largest",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, inputs.shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert (session.run(None, {"x": inputs})[0] == depth * 255 * largest).all()
