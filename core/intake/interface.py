"""Inputs and outputs: what they are, and what the user should know of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
from onnx import TensorProto

from core.intake.preflight import finding, listed
from core.records import BadInput, Finding, TensorInfo

_TYPE_NAMES: dict[int, str] = {value: name.lower() for name, value in TensorProto.DataType.items()}
_FEEDABLE = frozenset(
    {"float", "float16", "double", "bool"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
_SCORES = frozenset({"float", "float16", "double", "bfloat16"})
_SHOWN = 3


def describe(value: onnx.ValueInfoProto) -> TensorInfo:
    """An input or output: sizes without a number or a name are ``?``."""
    kind = value.type.WhichOneof("value") or "unknown"
    if kind != "tensor_type":
        return TensorInfo(name=value.name, dtype=kind.removesuffix("_type"), shape=())
    tensor = value.type.tensor_type
    dtype = _TYPE_NAMES.get(tensor.elem_type, "unknown")
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )
    return TensorInfo(name=value.name, dtype=dtype, shape=shape)


def interface_findings(
    inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> Iterator[Finding]:
    """What is remarkable about inputs and outputs.

    Raises:
        BadInput: No data can be fed: there are no inputs, or inputs that are no numbers.
    """
    if not inputs:
        raise BadInput(
            "The model takes no inputs, so no data can be run through it: export it with its "
            "inputs left open."
        )
    unsupported = [one for one in inputs if one.dtype not in _FEEDABLE]
    if unsupported:
        raise BadInput(
            f"Inputs must be arrays of numbers, but {_described(unsupported)}: export the model "
            "without its text or sequence preprocessing."
        )
    if len(inputs) > 1:
        yield finding(
            "info",
            "several_inputs",
            f"The model has {len(inputs)} inputs ({listed([one.name for one in inputs])}): give "
            "the data as an .npz with one array for each, by name.",
        )
    yield from _batch_findings(inputs)
    yield from _output_findings(outputs)


def _batch_findings(inputs: Sequence[TensorInfo]) -> Iterator[Finding]:
    batches = {one.shape[0] if one.shape else "?" for one in inputs}
    batch = batches.pop() if len(batches) == 1 else "?"
    if isinstance(batch, int) and batch != 1:
        yield finding(
            "warning",
            "fixed_batch",
            f"The model only takes batches of {batch}, so single samples cannot be measured: "
            "export it with a dynamic batch dimension.",
        )
    elif batch == 1:
        yield finding(
            "info",
            "batch_of_one",
            "The model takes one sample at a time; larger batches cannot be measured.",
        )
    open_sizes = [
        f"{one.name}: {size}" for one in inputs for size in one.shape[1:] if isinstance(size, str)
    ]
    if open_sizes:
        yield finding(
            "info",
            "symbolic_sizes",
            f"Sizes are left open ({listed(open_sizes)}): speed is measured at the sizes of your "
            "data.",
        )


def _output_findings(outputs: Sequence[TensorInfo]) -> Iterator[Finding]:
    if len(outputs) > 1:
        yield finding(
            "info",
            "several_outputs",
            f"The model has {len(outputs)} outputs ({listed([one.name for one in outputs])}); "
            "accuracy is judged on the class scores.",
        )
    if not any(_is_class_scores(one) for one in outputs):
        yield finding(
            "warning",
            "no_class_scores",
            f"No output looks like one score for each class (samples x classes): "
            f"{_described(outputs)}.",
        )


def _is_class_scores(output: TensorInfo) -> bool:
    if output.dtype not in _SCORES or len(output.shape) != 2:
        return False
    classes = output.shape[1]
    return isinstance(classes, str) or classes > 1


def _described(values: Sequence[TensorInfo]) -> str:
    return ", ".join(
        f"'{one.name}' is {one.dtype}"
        + (f" {' x '.join(str(size) for size in one.shape)}" if one.shape else "")
        for one in values[:_SHOWN]
    )
