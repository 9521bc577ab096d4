"""Writes small ONNX models node by node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Net:
    """A graph that grows at its end."""

    def __init__(self, opset: int = 17) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.functions: list[onnx.FunctionProto] = []
        self.random = np.random.default_rng(0)

    def constant(self, values: Any, dtype: Any = np.float32, name: str = "") -> str:
        name = name or f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weight(self, *shape: int, dtype: Any = np.float32, name: str = "") -> str:
        return self.constant(self.random.standard_normal(shape) * 0.05, dtype, name)

    def op(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node; gives the name of its output, or the names if there are several."""
        name = f"{op_type.lower()}{len(self.nodes)}"
        names = [f"{name}.{index}" for index in range(outputs)]
        node = helper.make_node(op_type, inputs, names, name=name, **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        product = self.op("MatMul", x, self.weight(inputs, outputs))
        return self.op("Add", product, self.weight(outputs))

    def gemm(self, x: str, inputs: int, outputs: int) -> str:
        return self.op("Gemm", x, self.weight(outputs, inputs), self.weight(outputs), transB=1)

    def conv(
        self, x: str, inputs: int, outputs: int, kernel: int, stride: int = 1, group: int = 1
    ) -> str:
        pad = 0 if kernel == stride else kernel // 2
        weight = self.weight(outputs, inputs // group, kernel, kernel)
        return self.op(
            "Conv",
            x,
            weight,
            self.weight(outputs),
            strides=[stride, stride],
            pads=[pad] * 4,
            group=group,
        )

    def norm(self, x: str, width: int) -> str:
        return self.op("LayerNormalization", x, self.weight(width), self.weight(width))

    def reshape(self, x: str, *shape: int) -> str:
        return self.op("Reshape", x, self.constant(shape, np.int64))

    def graph(
        self, inputs: dict[str, Sequence[Any]], outputs: dict[str, Sequence[Any] | None]
    ) -> onnx.GraphProto:
        kinds = {name: INT64 if name.startswith("ids") else FLOAT for name in (*inputs, *outputs)}
        return helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info(name, kinds[name], s) for name, s in inputs.items()],
            [helper.make_tensor_value_info(name, kinds[name], s) for name, s in outputs.items()],
            self.initializers,
        )

    def model(
        self,
        inputs: dict[str, Sequence[Any]],
        outputs: dict[str, Sequence[Any] | None],
        domains: Sequence[str] = (),
    ) -> onnx.ModelProto:
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(
            self.graph(inputs, outputs), opset_imports=opsets, functions=self.functions
        )
        model.ir_version = 8
        return model


def save(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def save_with_data(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Saves with the weights beside the file, as torch's exporter does."""
    path = folder / name
    onnx.save(model, path, save_as_external_data=True, location=f"{name}.data", size_threshold=0)
    return path


def perceptron(width: int = 32) -> onnx.ModelProto:
    """The smallest sensible model."""
    net = Net()
    hidden = net.op("Relu", net.gemm("x", 8, width))
    return net.model({"x": ["batch", 8]}, {net.gemm(hidden, width, 3): ["batch", 3]})
