import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from core.measurement import measure_peak_rss
from core.records import Deployment

MEGABYTE = 1_000_000


def test_weights_are_in_the_figure_and_the_runtime_is_not(prepare_arrays, tmp_path):
    def write(name, megabytes):
        table = np.ones((megabytes * MEGABYTE // 64, 16), np.float32)
        graph = helper.make_graph(
            [helper.make_node("Gather", ["table", "row"], ["scores"])],
            "table",
            [helper.make_tensor_value_info("row", TensorProto.INT64, ["n"])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 16])],
            [numpy_helper.from_array(table, "table")],
        )
        opset = helper.make_opsetid("", 17)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), tmp_path / name)
        return tmp_path / name

    said = []
    peaks = measure_peak_rss(
        {"baseline": write("small.onnx", 1), "large": write("large.onnx", 50)},
        prepare_arrays(tmp_path / "data", {"row": np.zeros(8, np.int64)}),
        Deployment(),
        report=lambda fraction, words: said.append(words),
    )
    assert 0 <= peaks["baseline"] < 20 * MEGABYTE  # a process with onnxruntime takes over 100
    assert 49 * MEGABYTE <= peaks["large"] - peaks["baseline"] < 200 * MEGABYTE
    # On a busy machine the last words may come together with the answer, which is then heard first.
    assert any(words.startswith("memory of") for words in said)
