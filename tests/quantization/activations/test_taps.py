from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from core.quantization.activations.taps import TappedModel
from core.quantization.preprocess import preprocess
from tests.quantization.digits import Classifier

Values = dict[str, np.ndarray]


def plainly(model: onnx.ModelProto, tensors: list[str], feeds: Values) -> Values:
    """The tensors' values without any optimisation."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    del tapped.graph.output[:]
    tapped.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(tapped.SerializeToString(), options)
    return dict(zip(tensors, session.run(None, feeds), strict=True))


@pytest.mark.parametrize("name", ["excited", "plain"])
def test_hands_out_the_values_of_every_run(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    classifier: Classifier = request.getfixturevalue(name)
    model = preprocess(classifier.path)
    tensors = [node.output[0] for node in model.graph.node]
    tapped = TappedModel(model, tensors, tmp_path, threads=1).tap()
    rng = np.random.default_rng(0)
    for _ in range(3):
        feeds = {"images": rng.standard_normal((1, 1, 16, 16)).astype(np.float32)}
        got, wanted = tapped.run(feeds), plainly(model, tensors, feeds)
        for tensor in tensors:
            np.testing.assert_allclose(
                np.sort(got[tensor]), np.sort(wanted[tensor].ravel()), atol=1e-4
            )


def test_shapes_may_depend_on_the_values(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Relu", ["numbers"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "places",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    tapped = TappedModel(model, ["y"], tmp_path, threads=1).tap()
    for values in ([0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 1, 0], [0, 1, 0, 1]):
        got = tapped.run({"x": np.array(values, np.float32)})["y"]
        np.testing.assert_array_equal(got, np.flatnonzero(values))
