"""Real classifiers of scikit-learn's digits: random layers with a trained last one.

A few hundred random convolutional (or recurrent) features and a linear classifier on them
read digits at well over 90%, and are made in a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

from core.records import DatasetProfile, PreparedData, Splits

SPLITS = Splits(calibration=100, search=400, confirm=400)
TRAINING = 897
Array = NDArray[np.float32]


class GraphBuilder:
    """Writes nodes one after the other; every layer's weights come from one seed."""

    def __init__(self, *, named: bool = True) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(0)
        self._named = named

    def constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        output = f"tensor_{len(self.nodes)}"
        name = f"{op_type.lower()}_{len(self.nodes)}" if self._named else ""
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=name, **attributes))
        return output

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        return (self._rng.standard_normal(shape) * scale).astype(np.float32)

    def conv(self, x: str, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> str:
        weights = self.normal(outputs, inputs, size, size, scale=np.sqrt(2 / (inputs * size**2)))
        # Unequal channels, as training leaves them: what per-channel scales are for.
        weights *= np.exp(self.normal(outputs, 1, 1, 1, scale=0.3))
        bias = self.constant(self.normal(outputs, scale=0.1))
        pads = [size // 2] * 4
        return self.add(
            "Conv", x, self.constant(weights), bias, strides=[stride, stride], pads=pads
        )

    def silu(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))

    def spatial_mean(self, x: str) -> str:
        axes = self.constant(np.array([2, 3], np.int64))
        return self.add("ReduceMean", x, axes, keepdims=1)

    def squeeze_excite(self, x: str, channels: int) -> str:
        squeezed = self.silu(self.conv(self.spatial_mean(x), channels, channels // 4, 1))
        gate = self.add("Sigmoid", self.conv(squeezed, channels // 4, channels, 1))
        return self.add("Mul", x, gate)

    def model(
        self, inputs: dict[str, list[int | str]], output: str, size: int, opset: int = 18
    ) -> onnx.ModelProto:
        batch = next(iter(inputs.values()))[0]
        graph = helper.make_graph(
            self.nodes,
            "digits",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in inputs.items()
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, size])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 10
        onnx.checker.check_model(model)
        return model


@dataclass(frozen=True)
class Classifier:
    """A trained model on disk, and its dataset in the shape it takes."""

    path: Path
    prepared: PreparedData


def run(model: onnx.ModelProto | Path, inputs: Array) -> Array:
    """Answers of a model with one input, batch by batch of the dataset's own size."""
    source = model if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    answers: Array = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return answers


def accuracy(model: Path, prepared: PreparedData) -> float:
    """Share of right answers on the search and confirm splits."""
    inputs = np.load(Path(prepared.folder) / "inputs" / "0.npy")[SPLITS.calibration :]
    labels = np.load(Path(prepared.folder) / "labels.npy")[SPLITS.calibration :]
    return float((run(model, inputs).argmax(axis=1) == labels).mean())


def prepare(folder: Path, inputs: Array, labels: NDArray[np.int64], name: str) -> PreparedData:
    """Writes samples as the dataset's preparation does."""
    (folder / "inputs").mkdir(parents=True)
    np.save(folder / "inputs" / "0.npy", inputs)
    np.save(folder / "labels.npy", labels)
    profile = DatasetProfile(
        sha256=f"digits-{inputs.shape}",
        kind="npz",
        samples=len(labels),
        classes=10,
        class_names=tuple("0123456789"),
        class_counts=tuple(np.bincount(labels, minlength=10).tolist()),
        splits=SPLITS,
        preprocessing=None,
    )
    return PreparedData(folder=str(folder), input_names=(name,), profile=profile)


def train(
    folder: Path, features: Callable[[GraphBuilder], str], shape: tuple[int, ...], width: int
) -> Classifier:
    """Trains a last layer on the features that a function writes, and saves the whole."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    if len(shape) == 3:
        images = np.kron(images, np.ones((1, 2, 2), np.float32))
    inputs = np.ascontiguousarray(images.reshape(-1, *shape))
    net = GraphBuilder()
    output = features(net)
    embedded = run(net.model({"images": ["batch", *shape]}, output, width), inputs[:TRAINING])
    head = RidgeClassifier(alpha=0.02 * embedded.var() * TRAINING)
    head.fit(embedded, labels[:TRAINING])
    weights, bias = head.coef_.astype(np.float32), head.intercept_.astype(np.float32)
    logits = net.add("Gemm", output, net.constant(weights), net.constant(bias), transB=1)
    onnx.save(net.model({"images": ["batch", *shape]}, logits, 10), folder / "model.onnx")
    prepared = prepare(folder / "data", inputs[TRAINING:], labels[TRAINING:], "images")
    return Classifier(folder / "model.onnx", prepared)


def excited_features(net: GraphBuilder) -> str:
    """An EfficientNet in small: SiLU, residual blocks, squeeze-and-excite by ReduceMean."""
    x = net.silu(net.conv("images", 1, 16))
    x = net.silu(net.conv(x, 16, 64, stride=2))
    for _ in range(2):
        y = net.squeeze_excite(net.silu(net.conv(x, 64, 64)), 64)
        x = net.add("Add", x, net.conv(y, 64, 64, size=1))
    x = net.silu(net.conv(x, 64, 64, stride=2))
    return net.add("Flatten", net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), axis=1)


def plain_features(net: GraphBuilder) -> str:
    """A ResNet in small: no side branch, a pool behind the first layer."""
    x = net.add("Relu", net.conv("images", 1, 32))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    y = net.conv(net.add("Relu", net.conv(x, 32, 32)), 32, 32)
    x = net.add("Relu", net.add("Add", x, y))
    x = net.add("Relu", net.conv(x, 32, 64, stride=2))
    return net.add(
        "Flatten", net.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), axis=1
    )


def recurrent_features(net: GraphBuilder, units: int = 96) -> str:
    """An LSTM over the rows of the image; its last state."""
    x = net.add("Transpose", "images", perm=[1, 0, 2])
    weights = net.constant(net.normal(1, 4 * units, 8, scale=0.7))
    recurrence = net.constant(net.normal(1, 4 * units, units, scale=0.1))
    bias = net.constant(net.normal(1, 8 * units, scale=0.1))
    net.nodes.append(
        helper.make_node(
            "LSTM", [x, weights, recurrence, bias], ["", "state"], "lstm", hidden_size=units
        )
    )
    axes = net.constant(np.array([0], np.int64))
    return net.add("Squeeze", "state", axes)
