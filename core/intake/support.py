"""Whether the installed onnxruntime has what a model asks for: operators, versions, sizes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count

import onnx
import onnxruntime
from onnx import TensorProto, helper

from core.intake.tensors import bits_of, model_nodes
from core.records import BadInput
from core.sandbox import model_errors

_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_OPTIMISED_DOMAINS = frozenset({"com.microsoft.nchwc", "com.ms.internal.nhwc"})
_SHOWN = 5
_LARGEST_INPUT_BYTES = 4 * 1024**3
# An opset, a version of ai.onnx.ml and a file format that every onnxruntime reads.
_PLAIN_OPSET, _PLAIN_ML, _PLAIN_FORMAT = 13, 1, 8


def check_support(model: onnx.ModelProto) -> None:
    """Checks operators' domains, file format, opsets and the sizes of inputs.

    Raises:
        BadInput: The installed onnxruntime cannot run the model, with what to do.
    """
    _check_domains(model)
    _check_format(model)
    _check_opsets(model)
    _check_inputs(model)


def _check_domains(model: onnx.ModelProto) -> None:
    # By node: opset_import often lists domains of which nothing is used.
    own = {(function.domain, function.name) for function in model.functions}
    foreign: defaultdict[str, set[str]] = defaultdict(set)
    for node in model_nodes(model):
        if node.domain not in _DOMAINS and (node.domain, node.op_type) not in own:
            foreign[node.domain].add(node.op_type)
    if foreign.keys() & _OPTIMISED_DOMAINS:
        raise BadInput(
            "The model was already optimised by onnxruntime for one kind of machine: give the "
            "original export."
        )
    if foreign:
        names = "; ".join(
            f"{', '.join(sorted(types)[:_SHOWN])} of '{domain}'"
            for domain, types in sorted(foreign.items())[:_SHOWN]
        )
        raise BadInput(
            f"The model uses custom operators that onnxruntime does not have ({names}): export "
            "it with standard ONNX operators only."
        )


def _check_format(model: onnx.ModelProto) -> None:
    def reads(version: int) -> bool:
        return _loads(version, {"": _PLAIN_OPSET})

    if not reads(model.ir_version):
        raise BadInput(
            f"The model's file format is version {model.ir_version}, but onnxruntime "
            f"{onnxruntime.__version__} reads up to version {_newest(reads, _PLAIN_FORMAT)}: "
            "export it with an older version of ONNX."
        )


def _check_opsets(model: onnx.ModelProto) -> None:
    domains = {"": "ai.onnx", "ai.onnx": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml"}
    for entry in model.opset_import:
        domain = domains.get(entry.domain)
        if domain is None:
            continue

        def runs(version: int, domain: str = domain) -> bool:
            opsets = {"": version} if domain == "ai.onnx" else {"": _PLAIN_OPSET, domain: version}
            return _loads(_PLAIN_FORMAT, opsets)

        if not runs(entry.version):
            newest = _newest(runs, _PLAIN_OPSET if domain == "ai.onnx" else _PLAIN_ML)
            raise BadInput(
                f"The model uses opset {entry.version} of {domain}, but onnxruntime "
                f"{onnxruntime.__version__} supports up to opset {newest}: export it with opset "
                f"{newest} or lower."
            )


def _check_inputs(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        if not value.type.HasField("tensor_type"):
            continue
        tensor = value.type.tensor_type
        sizes = [dim.dim_value for dim in tensor.shape.dim if dim.dim_value > 0]
        needed = math.prod(sizes) * bits_of(tensor.elem_type) // 8
        if needed > _LARGEST_INPUT_BYTES:
            shape = " x ".join(f"{size:,}" for size in sizes)
            raise BadInput(
                f"The input '{value.name}' is declared as {shape} values, {needed / 1e9:,.0f} GB "
                "for one run: export the model with a smaller input."
            )


def _newest(works: Callable[[int], bool], known: int) -> int:
    return next(version for version in count(known) if not works(version + 1))


def _loads(file_format: int, opsets: Mapping[str, int]) -> bool:
    """Tries a one-node model: onnxruntime has no call that tells its newest opset."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", [x], [y])
    model = helper.make_model(graph)
    model.ir_version = file_format
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in opsets.items())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        with model_errors(""):
            onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
    except BadInput:
        return False
    return True
