from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from core.intake import profile_model
from core.records import BadInput, ModelProfile, OperatorShare, TensorInfo
from core.sandbox import call
from tests.intake import networks
from tests.intake.net import FLOAT, perceptron, save


def test_what_is_known_of_a_model(tmp_path: Path) -> None:
    path = save(perceptron(), tmp_path)
    profile = profile_model(path)
    weights = 4 * (8 * 32 + 32 + 32 * 3 + 3)
    assert profile.family == "mlp"
    assert profile.task == "classification"
    assert profile.precision == "float32"
    assert profile.opset == 17
    assert profile.parameters == weights // 4
    assert profile.macs == 8 * 32 + 32 * 3
    assert profile.size_bytes == path.stat().st_size
    assert profile.inputs == (TensorInfo(name="x", dtype="float", shape=("batch", 8)),)
    assert profile.outputs == (TensorInfo(name="gemm2.0", dtype="float", shape=("batch", 3)),)
    assert profile.operators == (
        OperatorShare(op_type="Gemm", nodes=2, weight_bytes=weights, macs=profile.macs),
        OperatorShare(op_type="Relu", nodes=1, weight_bytes=0, macs=0),
    )
    methods = {"float16", "int8_dynamic", "int8_static", "int8_weight_only"}
    assert set(profile.predicted_size_bytes) == methods
    assert profile.findings == ()


def test_in_the_sandbox_it_is_the_same(tmp_path: Path) -> None:
    path = save(networks.vision_transformer(), tmp_path)
    there: ModelProfile = call(profile_model, path)
    assert there == profile_model(path)
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(BadInput, match="is not an ONNX model"):
        call(profile_model, path)


def test_sizes_without_a_name_are_question_marks(tmp_path: Path) -> None:
    model = perceptron()
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[0].ClearField("dim_param")
    assert profile_model(save(model, tmp_path)).inputs[0].shape == ("?", 8)


def test_memory_stays_within_two_and_a_half_times_the_file(tmp_path: Path) -> None:
    width, layers = 2048, 6  # 100 MB
    names = ["x", *(f"x{layer}" for layer in range(layers))]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(layers)],
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, ["batch", width])],
        [helper.make_tensor_value_info(names[-1], FLOAT, ["batch", width])],
    )
    weight = np.full((width, width), 0.01, np.float32)
    graph.initializer.extend(numpy_helper.from_array(weight, f"w{i}") for i in range(layers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = tmp_path / "large.onnx"
    onnx.save(model, path)
    program = (
        "import resource, sys; from pathlib import Path; from core.intake import profile_model;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "profile_model(Path(sys.argv[1]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, path], cwd=root, check=True, capture_output=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 2.5 * path.stat().st_size
