"""With real broken models: what onnxruntime says of them must reach people as one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.records import BadInput, Deployment
from core.sandbox import Limits, SandboxFailure, call, model_errors, open_session, session_options
from tests.sandbox import functions

ONE = Deployment()


def _save(folder: Path, *nodes: onnx.NodeProto, opset: int = 17, **weights: np.ndarray) -> Path:
    """Saves a model from ``x`` (1, n) to ``y`` of any shape."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    domains = {node.domain for node in nodes} - {""}
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    path = folder / "some model.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    return path


def _matmul(folder: Path, opset: int = 17) -> Path:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")
    return _save(folder, node, opset=opset, w=np.ones((5, 3), np.float32))


def _run(path: Path, size: int = 4) -> None:
    session = open_session(path, ONE)
    with model_errors("The model cannot be run"):
        session.run(None, {"x": np.ones((1, size), np.float32)})


def _sentence(path: Path, size: int = 4) -> str:
    with pytest.raises(BadInput) as caught:
        _run(path, size)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < 300
    for noise in ("[ONNXRuntimeError]", str(path.parent), ".h:", ".cc:", "onnxruntime::", "Status"):
        assert noise not in sentence
    return sentence


@pytest.mark.parametrize("threads", [1, 2])
def test_a_session_has_the_options_of_the_deployment(tmp_path: Path, threads: int) -> None:
    deployment = Deployment(threads=threads)
    session = open_session(_matmul(tmp_path), deployment)
    options = session.get_session_options()

    (result,) = session.run(None, {"x": np.ones((1, 5), np.float32)})

    assert result.tolist() == [[5.0, 5.0, 5.0]]
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)
    assert session_options(deployment)["intra_op_num_threads"] == str(threads)
    stops = session_options(deployment).get("session.force_spinning_stop")
    assert stops == ("1" if threads > 1 else None)
    if stops:
        assert options.get_session_config_entry("session.force_spinning_stop") == "1"


@pytest.mark.parametrize("content", [b"", b"hello\n" * 50])
def test_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    assert "protobuf" in _sentence(path).lower()


def test_a_model_that_is_cut_off(tmp_path: Path) -> None:
    path = _matmul(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert _sentence(path) == (
        'The model cannot be loaded: onnxruntime says "Protobuf parsing failed".'
    )


def test_a_missing_file(tmp_path: Path) -> None:
    assert _sentence(tmp_path / "no.onnx").endswith('"File doesn\'t exist".')


def test_an_operator_nobody_knows(tmp_path: Path) -> None:
    node = helper.make_node("Foo", ["x"], ["y"], domain="acme.ops")
    assert "acme.ops:Foo(-1) is not a registered function/op" in _sentence(_save(tmp_path, node))


def test_an_opset_from_the_future(tmp_path: Path) -> None:
    assert 'says "ONNX Runtime only' in _sentence(_matmul(tmp_path, opset=99))


def test_a_shape_that_only_fails_when_run(tmp_path: Path) -> None:
    path = _matmul(tmp_path)
    _run(path, size=5)
    assert _sentence(path) == (
        "The model cannot be run: onnxruntime says \"MatMul node 'mm': MatMul dimension mismatch\"."
    )


def test_a_node_without_a_name_is_named_by_its_kind(tmp_path: Path) -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    sentence = _sentence(_save(tmp_path, node, shape=np.array([7, 3])))
    assert '"a Reshape node: input_shape_size == requested_shape_size' in sentence


def test_a_reason_with_a_whole_cpp_signature_before_it(tmp_path: Path) -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"], name="r")
    sentence = _sentence(_save(tmp_path, node, shape=np.array([7, 3])))
    assert "\"Reshape node 'r': input_shape_size == requested_shape_size" in sentence


def test_inputs_of_another_size(tmp_path: Path) -> None:
    path = _matmul(tmp_path)
    session = open_session(path, ONE)
    with pytest.raises(BadInput, match="Invalid rank for input: x"), model_errors("No run"):
        session.run(None, {"x": np.ones(5, np.float32)})


def test_external_data_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    path = _matmul(tmp_path)
    model = onnx.load(path)
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(model.SerializeToString())
    assert "escapes model directory" in _sentence(path)


def test_an_allocation_that_fails_is_a_lack_of_memory(tmp_path: Path) -> None:
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"], name="huge")
    path = _save(tmp_path, node, shape=np.array([2**14, 2**14]))  # 1 GiB of float32
    limits = Limits(memory_bytes=512 * 2**20)
    with pytest.raises(SandboxFailure, match="more than 512 MB") as caught:
        call(functions.run_model, path, limits=limits)
    assert caught.value.kind == "memory"


def test_our_own_mistakes_are_not_the_models(tmp_path: Path) -> None:
    session = open_session(_matmul(tmp_path), ONE)
    with pytest.raises(ValueError, match="missing from input feed"), model_errors("No run"):
        session.run(None, {})
