"""From an untrusted file to what is known of the model."""

from __future__ import annotations

from pathlib import Path

import onnx

from core.intake.cost import count_cost, count_parameters, count_unknown, operator_shares
from core.intake.family import detect_family
from core.intake.functions import inline_functions
from core.intake.interface import describe, interface_findings
from core.intake.order import sort_nodes
from core.intake.parse import digest
from core.intake.precision import detect_precision
from core.intake.prediction import predict_sizes
from core.intake.preflight import weight_findings
from core.intake.shapes import infer_shapes, input_values
from core.intake.skeleton import read_skeleton
from core.intake.support import check_support
from core.records import Deployment, ModelProfile
from core.sandbox import open_session


def profile_model(path: Path) -> ModelProfile:
    """Checks a model in every way that needs no data, and profiles it.

    Args:
        path: The ``.onnx`` file, its external data beside it.

    Returns:
        The profile. ``predicted_size_bytes`` is empty where no method applies: the model is
        quantized or FP16 already, or a tree ensemble. The codes of its findings are listed in
        :mod:`core.intake.preflight`.

    Raises:
        BadInput: The file is not a whole ONNX model, the installed onnxruntime cannot load it,
            or no arrays can be fed to it.
    """
    skeleton = read_skeleton(path)
    check_support(skeleton.model)
    plain = inline_functions(skeleton.model)
    # Before shape inference: onnxruntime refuses what the tools below would stumble over.
    open_session(path, Deployment(), "The model cannot be loaded, so export it again")
    sort_nodes(plain.graph)
    cost = count_cost(infer_shapes(plain, count_unknown))
    family = detect_family(cost)
    precision = detect_precision(cost.graph)
    size = sum(file.stat().st_size for file in skeleton.files)
    inputs = tuple(describe(value) for value in input_values(plain.graph))
    outputs = tuple(describe(value) for value in plain.graph.output)
    usable = precision == "float32" and family != "tree_ensemble"
    return ModelProfile(
        sha256=digest(skeleton.files),
        size_bytes=size,
        family=family,
        task="classification",
        precision=precision,
        opset=opset_of(plain),
        parameters=count_parameters(cost.graph),
        macs=cost.total_macs,
        inputs=inputs,
        outputs=outputs,
        operators=operator_shares(cost),
        predicted_size_bytes=predict_sizes(cost.graph, size, family) if usable else {},
        findings=(
            *weight_findings(skeleton, cost, family, precision),
            *interface_findings(inputs, outputs),
        ),
    )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's operators, or of the first other domain where none are used."""
    versions: dict[str, int] = {entry.domain: entry.version for entry in model.opset_import}
    return versions.get("") or versions.get("ai.onnx") or next(iter(versions.values()))
