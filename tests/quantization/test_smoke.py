from pathlib import Path

import numpy as np
import onnx
import pytest

from core.quantization.smoke import smoke_run
from core.records import BadInput, Deployment
from tests.quantization.digits import Classifier, GraphBuilder


def model(path: Path, net: GraphBuilder, output: str, batch: int | str = "batch") -> Path:
    onnx.save(net.model({"images": [batch, 1, 16, 16]}, output, 10), path)
    return path


def classify(net: GraphBuilder, x: str) -> str:
    x = net.add("Flatten", net.add("GlobalAveragePool", x), axis=1)
    return net.add("Gemm", x, net.constant(net.normal(1, 10)))


def test_a_good_model_passes_at_any_batch(excited: Classifier) -> None:
    for batch_size in (1, 5):
        smoke_run(excited.path, excited.prepared, Deployment(batch_size=batch_size))


def test_a_fixed_batch_is_respected(tmp_path: Path, excited: Classifier) -> None:
    net = GraphBuilder()
    path = model(tmp_path / "m.onnx", net, classify(net, "images"), batch=7)
    smoke_run(path, excited.prepared, Deployment(batch_size=2))


@pytest.mark.parametrize("operator", ["Log", "Sqrt", "Reciprocal"])
def test_nan_and_infinity_are_found(tmp_path: Path, excited: Classifier, operator: str) -> None:
    net = GraphBuilder()
    below = net.add(
        "Sub", "images", net.constant(np.array(0.0 if operator != "Sqrt" else 2.0, "f"))
    )
    path = model(tmp_path / "m.onnx", net, classify(net, net.add(operator, below)))
    with pytest.raises(BadInput, match="NaN or infinite"):
        smoke_run(path, excited.prepared, Deployment())


def test_a_shape_that_breaks_only_at_the_deployments_batch(
    tmp_path: Path, excited: Classifier
) -> None:
    net = GraphBuilder()
    one = net.add("Reshape", "images", net.constant(np.array([1, 1, 16, 16])))
    path = model(tmp_path / "m.onnx", net, classify(net, one))
    smoke_run(path, excited.prepared, Deployment(batch_size=1))
    with pytest.raises(BadInput, match="cannot be run"):
        smoke_run(path, excited.prepared, Deployment(batch_size=2))


def test_a_file_that_does_not_load(tmp_path: Path, excited: Classifier) -> None:
    net = GraphBuilder()
    path = model(tmp_path / "m.onnx", net, classify(net, "images"))
    broken = onnx.load(path)
    broken.graph.node[0].input[0] = "nowhere"
    onnx.save(broken, path)
    with pytest.raises(BadInput, match="not valid ONNX"):
        smoke_run(path, excited.prepared, Deployment())
