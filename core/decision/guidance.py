"""Which method usually suits a model, before anything was measured, and why.

Sizes are predicted from the weights that a method touches. Speed is never predicted.
"""

from __future__ import annotations

from typing import Final

from core.decision.explain import METHOD_TITLES, percent, size
from core.records import Family, Guidance, Method, ModelProfile

_NAMES: Final[dict[Family, str]] = {
    "cnn": "a convolutional network",
    "transformer": "a transformer",
    "rnn": "a recurrent network",
    "mlp": "a multi-layer perceptron",
    "tree_ensemble": "a tree ensemble",
    "other": "a model of no common family",
}
_BITS_SAVED: Final[dict[Method, float]] = {
    "float16": 1 / 2,
    "int8_dynamic": 3 / 4,
    "int8_static": 3 / 4,
    "int8_weight_only": 3 / 4,
}
_LEAST_SAVING = 0.05
"""Part of the file that must be expected to go before any method makes sense."""

_STATIC_REASON = (
    "Convolutions gain only if their activations are INT8 too, with ranges measured beforehand "
    "on calibration samples: INT8 static."
)
_DYNAMIC_REASONS: Final[dict[Family, str]] = {
    "transformer": "Activations of a transformer vary widely from sample to sample, so ranges "
    "taken anew for each run keep the accuracy better than fixed ones: INT8 dynamic.",
    "rnn": "The weights are read again at each time step and the ranges of the state move: INT8 "
    "dynamic.",
    "mlp": "At small batches a matrix product waits for its weights: INT8 dynamic makes these a "
    "quarter and needs no calibration. INT8 static is worth comparing at large batches.",
    "other": "Most of the work is in matrix products: INT8 dynamic needs no calibration and "
    "leaves everything else as it is.",
}


def guide(profile: ModelProfile) -> Guidance:
    """Names the method that usually suits the model.

    Returns:
        The method, with ``none`` where there is nothing to do, the reasons, and what to beware
        of.
    """
    nothing = _nothing_to_do(profile)
    if nothing is not None:
        return Guidance(method="none", reasons=(nothing,))
    method = usual_method(profile)
    reasons = [f"This is {_NAMES[profile.family]}."]
    work = _conv_share(profile)
    if profile.family in ("cnn", "other") and work is not None:
        reasons.append(f"Convolutions do {percent(work)} of its multiplications.")
    if method == "int8_static":
        reasons.append(_STATIC_REASON)
    else:
        reasons.append(_DYNAMIC_REASONS.get(profile.family, _DYNAMIC_REASONS["other"]))
    for each in (method, "float16"):
        expected = predicted_size(profile, each)
        if expected is not None:
            reasons.append(expected)
    reasons.append("FP16 is for GPUs: on a CPU it is for size only.")
    return Guidance(method=method, reasons=tuple(reasons), warnings=_warnings(profile, method))


def usual_method(profile: ModelProfile) -> Method:
    """The INT8 method of the family; for ``other`` by where most of the work is."""
    if profile.family == "cnn":
        return "int8_static"
    if profile.family == "other" and (_conv_share(profile) or 0.0) >= 0.5:
        return "int8_static"
    return "int8_dynamic"


def method_warning(method: Method, family: Family) -> str | None:
    """Why a method may disappoint on a family; None: nothing speaks against comparing it."""
    if family == "tree_ensemble":
        return "A tree ensemble has no weights to quantize."
    match method, family:
        case "int8_dynamic", "cnn":
            return (
                "Dynamic on a CNN is how people conclude that quantization doesn't help: it "
                "computes the ranges of every activation anew in each run, which on "
                "convolutions is usually several times slower than FP32."
            )
        case "int8_static", "transformer":
            return (
                "Static on a transformer often costs much accuracy: outliers in its activations "
                "stretch the fixed ranges."
            )
        case "int8_static", "rnn":
            return (
                "Static quantization leaves LSTM and GRU layers as they are, so that little of "
                "a recurrent network changes."
            )
        case "int8_dynamic", "rnn":
            return (
                "INT8 in recurrent layers can cost much accuracy, as errors add up over the "
                "time steps: look at the drop first."
            )
        case "float16", _:
            return "FP16 on a CPU halves the file and is usually no faster: it is for GPUs."
        case _:
            return None


def predicted_size(profile: ModelProfile, method: Method) -> str | None:
    """Such as "INT8 static would touch 97% of the weight bytes: about 6.0 MB instead of 22 MB."."""
    expected = profile.predicted_size_bytes.get(method)
    if expected is None or method == "none":
        return None
    weights = sum(operator.weight_bytes for operator in profile.operators) or profile.size_bytes
    touched = (profile.size_bytes - expected) / _BITS_SAVED[method]
    share = min(max(touched / weights, 0.0), 1.0)
    return (
        f"{METHOD_TITLES[method]} would touch {share:.0%} of the weight bytes: about "
        f"{size(expected)} instead of {size(profile.size_bytes)}."
    )


def _nothing_to_do(profile: ModelProfile) -> str | None:
    if profile.family == "tree_ensemble":
        return (
            "A tree ensemble compares numbers instead of multiplying weights: there is nothing "
            "to quantize; fewer or shallower trees make it smaller and faster."
        )
    if profile.precision == "int8":
        return (
            "The model is quantized to INT8 already, and doing it again only loses accuracy: "
            "give the FP32 original to compare other recipes."
        )
    if profile.precision == "float16":
        return (
            "The model's weights are FP16 already, and INT8 is made from FP32 weights: give the "
            "FP32 original."
        )
    sizes = [bytes_ for method, bytes_ in profile.predicted_size_bytes.items() if method != "none"]
    if sizes and min(sizes) > (1 - _LEAST_SAVING) * profile.size_bytes:
        return (
            "Hardly any of the file is weights that a method could make smaller: "
            f"{size(min(sizes))} instead of {size(profile.size_bytes)} at best."
        )
    return None


def _warnings(profile: ModelProfile, method: Method) -> tuple[str, ...]:
    others: tuple[Method, ...] = ("int8_static", "int8_dynamic")
    found = [method_warning(each, profile.family) for each in (method, *others) if each]
    return tuple(dict.fromkeys(warning for warning in found if warning))


def _conv_share(profile: ModelProfile) -> float | None:
    """Part of the multiply-accumulates that is in convolutions; None where none were counted."""
    total = sum(operator.macs for operator in profile.operators)
    if not total:
        return None
    return sum(o.macs for o in profile.operators if o.op_type.startswith("Conv")) / total
