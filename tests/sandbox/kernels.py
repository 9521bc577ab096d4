"""How fast onnxruntime multiplies, in a child process; a child imports it by name."""

from __future__ import annotations

import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def product_seconds() -> float:
    """The fastest of many runs of a U8/S8 matrix product."""
    size = 1024
    rng = np.random.default_rng(0)
    weights = helper.make_tensor(
        "b", TensorProto.INT8, [size, size], rng.integers(-127, 127, (size, size)).ravel()
    )
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [size, size])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [size, size])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    feeds = {"a": rng.integers(0, 255, (size, size)).astype(np.uint8)}
    seconds = []
    for _ in range(50):
        started = time.perf_counter()
        session.run(None, feeds)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
