"""What the user should know of a model before anything is run: one sentence each.

The codes are stable; other parts and scripts may rely on them.

==========================  ========  ==========================================================
code                        severity  meaning
==========================  ========  ==========================================================
``nan_weights``             error     stored tensors hold NaN
``infinite_weights``        warning   tensors that do the work hold an infinity
``already_int8``            warning   most of the weights are quantized: nothing to do
``partly_int8``             warning   some of the weights are quantized
``already_float16``         warning   most of the weights are FP16: give the FP32 export
``bfloat16``, ``float64``   warning   weights in a format that the methods do not touch
``tree_ensemble``           warning   comparisons, not products: no method applies
``nothing_for_float16``     info      the method would touch none of the weights
``nothing_for_int8``        warning   neither INT8 method would touch any of the weights
``fused_operators``         warning   onnxruntime's own fused operators: give the original export
``training_mode``           warning   batch normalisation or dropout as in training
``several_inputs``          info      data must be an ``.npz`` with one array per input
``fixed_batch``             warning   the batch is fixed at more than one sample
``batch_of_one``            info      the batch is fixed at one sample
``symbolic_sizes``          info      sizes other than the batch are left open
``several_outputs``         info      more than one output
``no_class_scores``         warning   no output looks like one score a class
``unknown_work``            info      the work of some operators could not be counted
==========================  ========  ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx import TensorProto

from core.intake import contrib
from core.intake.cost import Cost
from core.intake.graph import Graph, Step
from core.intake.precision import int8_share, weight_type, working_steps
from core.intake.prediction import saved_by_float16, saved_by_int8
from core.intake.skeleton import Skeleton
from core.records import Family, Finding, Precision, Severity

_ODD_TYPES: dict[int, str] = {
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}
_FUSED_PREFIXES = ("Bias", "EmbedLayer", "Fused", "Skip")
_SHOWN = 3


def weight_findings(
    skeleton: Skeleton, cost: Cost, family: Family, precision: Precision
) -> Iterator[Finding]:
    """What is remarkable about the weights and the operators."""
    graph = cost.graph
    if skeleton.not_a_number:
        yield finding(
            "error",
            "nan_weights",
            f"Weights hold NaN ({listed(skeleton.not_a_number)}), so outputs will too: export "
            "the model from a checkpoint that works.",
        )
    working = {one.name for step in working_steps(graph) for one in step.weights}
    infinite = [name for name in skeleton.infinite if name in working]
    if infinite:
        yield finding(
            "warning",
            "infinite_weights",
            f"Weights hold infinities ({listed(infinite)}), which cannot be quantized: check "
            "the checkpoint that was exported.",
        )
    yield from _format_findings(graph, family, precision)
    if any(_trains(step) for step in graph.steps):
        yield finding(
            "warning",
            "training_mode",
            "The model was exported in training mode (dropout or batch statistics are active): "
            "export it after model.eval().",
        )
    if cost.unknown:
        yield finding(
            "info",
            "unknown_work",
            f"The work of {cost.unknown} operators is not counted, because their shapes are "
            "only known when the model runs.",
        )


def _format_findings(graph: Graph, family: Family, precision: Precision) -> Iterator[Finding]:
    if family == "tree_ensemble":
        yield finding(
            "warning",
            "tree_ensemble",
            "A tree ensemble compares and looks up, it does not multiply: neither INT8 nor FP16 "
            "makes it faster.",
        )
        return
    if precision == "int8":
        yield finding(
            "warning",
            "already_int8",
            "The model is quantized already, so there is nothing to do: to compare methods, give "
            "the FP32 model it was made from.",
        )
        return
    if precision == "float16":
        yield finding(
            "warning",
            "already_float16",
            "The model is FP16 already: to find out whether INT8 is worth it, give the FP32 "
            "model it was made from.",
        )
        return
    share = int8_share(graph)
    if share > 0:
        yield finding(
            "warning",
            "partly_int8",
            f"{share:.0%} of the weights are quantized already: for a fair comparison, give the "
            "FP32 model.",
        )
    odd = _ODD_TYPES.get(weight_type(graph))
    if odd:
        yield finding(
            "warning",
            odd,
            f"The weights are {odd}, which the methods leave as they are: export the model in "
            "FP32.",
        )
        return
    fused = sorted({step.op_type for step in graph.steps if _is_fused(step)})
    if fused:
        yield finding(
            "warning",
            "fused_operators",
            f"An optimiser has fused operators ({listed(fused)}), some of which quantization "
            "does not know: give the original export.",
        )
    if not saved_by_float16(graph):
        yield finding(
            "info",
            "nothing_for_float16",
            "No weight is FP32, so FP16 would not make the file smaller.",
        )
    if not saved_by_int8(graph):
        yield finding(
            "warning",
            "nothing_for_int8",
            "No weight belongs to an operator that INT8 quantization knows, so it would not make "
            "the file smaller.",
        )


def _is_fused(step: Step) -> bool:
    named = step.op_type.startswith(_FUSED_PREFIXES) or step.op_type.endswith("Attention")
    return step.node.domain == contrib.DOMAIN and named


def _trains(step: Step) -> bool:
    if step.op_type == "BatchNormalization":
        return step.attribute("training_mode", 0) == 1 or len(step.outputs) > 1
    mode = step.input(2) if step.op_type == "Dropout" else None
    return mode is not None and mode.number == 1


def listed(names: Sequence[str]) -> str:
    """Up to three names, and how many more."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def finding(severity: Severity, code: str, sentence: str) -> Finding:
    """A finding; its code is in this module's table."""
    return Finding(severity=severity, code=code, sentence=sentence)
