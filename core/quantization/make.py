"""Makes a candidate: prepares the graph, applies a recipe's method, checks the result."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from core.quantization.calibration import CalibrationSamples, fixed_batch
from core.quantization.correct_bias import correct_bias
from core.quantization.failures import GRAPH_FAILURES
from core.quantization.float16 import to_float16
from core.quantization.graph import Graph, float_weights, sort_nodes
from core.quantization.im2col import to_im2col
from core.quantization.int8_dynamic import to_int8_dynamic
from core.quantization.int8_static import to_int8_static
from core.quantization.int8_weight_only import to_int8_weight_only
from core.quantization.preprocess import preprocess
from core.quantization.rewrites.rewrite import rewrite
from core.quantization.smoke import smoke_run
from core.records import BadInput, Deployment, PreparedData, Recipe, Report
from core.sandbox import model_errors, short_reason

_SMALL_TYPES = {
    "float16": frozenset({TensorProto.FLOAT16}),
    "int8_dynamic": frozenset({TensorProto.INT8, TensorProto.UINT8}),
    "int8_static": frozenset({TensorProto.INT8, TensorProto.UINT8}),
    "int8_weight_only": frozenset({TensorProto.INT8, TensorProto.UINT8}),
}
_WORTH_A_NOTE = 0.3


@dataclass(frozen=True, slots=True)
class MadeModel:
    """What a recipe made.

    Attributes:
        size_bytes: Of the file.
        sha256: Of the file.
        quantized_nodes: Nodes whose weights became smaller.
        note: What the user should know of it; often empty.
    """

    size_bytes: int
    sha256: str
    quantized_nodes: int
    note: str


def make_candidate(
    model: Path,
    recipe: Recipe,
    prepared: PreparedData,
    output: Path,
    seed: int,
    deployment: Deployment,
    report: Report,
) -> MadeModel:
    """Makes the file of a recipe: the same bytes from the same model, recipe, data and seed.

    Args:
        model: The baseline's ``.onnx`` file; only read.
        recipe: What to make, from :func:`~core.quantization.recipes.plan_recipes`.
        prepared: The dataset; calibration and search samples are used, confirm samples never.
        output: Where the candidate goes; written only once it has passed its checks.
        seed: Decides which samples calibrate, where the recipe takes only some.
        deployment: Session options and batch size that it is tried with.
        report: Told how far it is.

    Raises:
        BadInput: The recipe does not work on this model; one sentence says why.
    """
    report(0.0, "Preparing the graph")
    baseline = preprocess(model)
    with tempfile.TemporaryDirectory() as folder:
        candidate = _convert(recipe, baseline, prepared, Path(folder), seed, report)
        touched = _touched_nodes(candidate, recipe)
        if touched == 0:
            raise BadInput(_nothing_to_do(recipe, baseline))
        _check_interface(recipe, onnx.load(model, load_external_data=False), candidate)
        report(0.9, "Trying it on a few samples")
        made = Path(folder) / "candidate.onnx"
        onnx.save(candidate, made)
        smoke_run(made, prepared, deployment)
        content = made.read_bytes()
    _write(output, content)
    report(1.0, "")
    return MadeModel(
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        quantized_nodes=touched,
        note=_note(baseline, candidate),
    )


def _convert(
    recipe: Recipe,
    baseline: onnx.ModelProto,
    prepared: PreparedData,
    folder: Path,
    seed: int,
    report: Report,
) -> onnx.ModelProto:
    what = f"{recipe.id} could not be made"
    try:
        with model_errors(what):
            candidate = _apply(recipe, baseline, prepared, folder, seed, report)
            sort_nodes(candidate)
            return candidate
    except GRAPH_FAILURES as error:
        reason = f"{type(error).__name__}: {short_reason(error)}".rstrip(": ")
        message = f'{what}: the converter does not understand this graph ("{reason}").'
        raise BadInput(message) from error


def _apply(
    recipe: Recipe,
    baseline: onnx.ModelProto,
    prepared: PreparedData,
    folder: Path,
    seed: int,
    report: Report,
) -> onnx.ModelProto:
    def samples(start: float, share: float) -> CalibrationSamples:
        return CalibrationSamples(
            prepared,
            recipe.calibration_samples,
            fixed_batch(baseline) or 1,
            seed,
            lambda fraction, words: report(start + share * fraction, words),
        )

    rewritten = rewrite(baseline, recipe, lambda: samples(0.0, 0.1))
    if recipe.method == "float16":
        report(0.3, "Converting to FP16")
        return to_float16(rewritten, recipe)
    source = folder / "prepared.onnx"
    onnx.save(rewritten, source)
    if recipe.method == "int8_dynamic":
        report(0.3, "Quantizing the weights")
        return to_int8_dynamic(source, recipe)
    if recipe.method == "int8_weight_only":
        report(0.3, "Storing the weights in INT8")
        return to_int8_weight_only(source, recipe)
    report(0.1, "Quantizing")
    ranges = Path(prepared.folder) / "ranges"
    candidate = to_int8_static(source, recipe, samples(0.1, 0.5), ranges)
    if recipe.correct_bias:
        candidate = correct_bias(rewritten, candidate, samples(0.6, 0.2), recipe)
    if recipe.im2col:
        to_im2col(candidate, recipe.im2col)
    return candidate


def _touched_nodes(candidate: onnx.ModelProto, recipe: Recipe) -> int:
    weights = Graph(candidate).weights(_SMALL_TYPES[recipe.method])
    return len({node.name or node.output[0] for node, _ in weights})


def _nothing_to_do(recipe: Recipe, baseline: onnx.ModelProto) -> str:
    weights = float_weights(baseline)
    if not weights:
        return f"{recipe.id} found nothing to quantize: the model has no FP32 weights."
    return (
        f"{recipe.id} found nothing to quantize: all weights are in {' and '.join(weights)} nodes, "
        "which it leaves in FP32."
    )


def _check_interface(recipe: Recipe, baseline: onnx.ModelProto, candidate: onnx.ModelProto) -> None:
    constants = {tensor.name for tensor in baseline.graph.initializer}
    before = [value for value in baseline.graph.input if value.name not in constants]
    for old, new in (
        (before, candidate.graph.input),
        (baseline.graph.output, candidate.graph.output),
    ):
        if [_signature(value) for value in old] != [_signature(value) for value in new]:
            message = f"{recipe.id} changed the model's inputs or outputs, so it cannot replace it."
            raise BadInput(message)


def _signature(value: onnx.ValueInfoProto) -> tuple[str, int]:
    return value.name, value.type.tensor_type.elem_type


def _note(baseline: onnx.ModelProto, candidate: onnx.ModelProto) -> str:
    """Says what stayed in FP32, where that is much."""
    total = sum(float_weights(baseline).values())
    left = float_weights(candidate)
    share = sum(left.values()) / total if total else 0.0
    if share < _WORTH_A_NOTE:
        return ""
    return f"{share:.0%} of the weights stay in FP32, most of them in {next(iter(left))} nodes."


def _write(target: Path, content: bytes) -> None:
    """Puts a finished file in its place in one step, so that a half one is never there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_bytes(content)
    temporary.replace(target)
