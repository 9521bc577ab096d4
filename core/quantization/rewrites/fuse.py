"""Fuses the attention of a transformer into single operators.

Each becomes one ``Attention`` of onnxruntime (Vaswani et al., "Attention Is All You Need", 2017,
section 3.2), whose INT8 form ``QAttention`` holds the three projections in one matrix and moves no
heads about in memory. Layer normalisations and GELU stay: onnxruntime fuses those itself when a
session opens, and why a residual addition does not join in is said in
:mod:`core.quantization.rewrites.residual_norms`.

Every exporter spells attention in its own way, so a place that may be one is recognised by what it
computes: the model runs once on a few tokens. onnxruntime's own offline optimizer goes by the
spelling, takes every mask for one that blocks the *end* of a sequence (wrong answers where the
padding comes first), and does not look at the scale.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from core.quantization.failures import GRAPH_FAILURES
from core.quantization.graph import Graph, drop_unread_constants, every_node
from core.quantization.preprocess import name_nodes
from core.quantization.rewrites.attention import Place, attention_places
from core.records import BadInput
from core.sandbox.session import PROVIDER

Arrays = Mapping[str, NDArray[Any]]

_DOMAIN = "com.microsoft"
_TRIED_SIZES = (3, 7, 5, 6)
"""Of the symbolic axes while a model is tried; no two alike, so that none is taken for another."""
_INTEGERS = frozenset({TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL})
_BLOCKED = -1e3
"""What is added to a score where no attention goes is below this."""
_LOWEST = float(np.finfo(np.float32).min)
_TOLERANCE = 1e-4
_FATAL = 4


def fuse(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fuses a prepared transformer.

    Args:
        model: Prepared FP32 model; not changed.

    Returns:
        A model with the same inputs and outputs that computes the same.

    Raises:
        BadInput: There is no attention in it, or none that onnxruntime can compute in one.
    """
    fused = onnx.ModelProto()
    fused.CopyFrom(model)
    graph = Graph(fused)
    places = list(attention_places(graph))
    feeds = _tokens(model)
    outputs = [value.name for value in model.graph.output]
    tapped = [name for place in places for name in place.tensors]
    before = _run(model, feeds, {*tapped, *outputs}) if places else {}
    masks = _masks(graph, feeds)
    found = [place for place in places if _replace(fused, place, before, masks)] if before else []
    if found:
        _finish(fused, [place.merging.output[0] for place in found])
        after = _run(fused, feeds, outputs)
        if after and all(_alike(after[name], before[name]) for name in outputs):
            return fused
    message = (
        "There is no attention here that onnxruntime can compute as one operator, so the graph "
        "stays as it is."
    )
    raise BadInput(message)


# --- what it computes ---------------------------------------------------------------------


def _tokens(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Seeded inputs; integers are 0 or 1, so that they do as tokens and as masks."""
    rng = np.random.default_rng(0)
    sizes: dict[str, int] = {}
    feeds = {}
    for value in model.graph.input:
        kind = value.type.tensor_type
        shape = [
            axis.dim_value
            or sizes.setdefault(axis.dim_param, _TRIED_SIZES[len(sizes) % len(_TRIED_SIZES)])
            for axis in kind.shape.dim
        ]
        values: NDArray[Any] = rng.normal(size=shape)
        if kind.elem_type in _INTEGERS:
            values = rng.integers(0, 2, shape)
            values[..., :1] = 1  # nowhere is everything blocked
            values[..., -1:] = 0
        feeds[value.name] = values.astype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return feeds


def _masks(graph: Graph, feeds: Arrays) -> dict[str, NDArray[Any]]:
    """Inputs that may say where attention goes: per token, and not looked up in a table."""
    looked_up = {node.input[1] for node in graph.nodes if node.op_type == "Gather"}
    return {
        name: values
        for name, values in feeds.items()
        if values.ndim == 2 and values.dtype.kind in "ib" and name not in looked_up
    }


def _run(model: onnx.ModelProto, feeds: Arrays, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Values of tensors, all float; empty where the model cannot be run on these inputs."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    own = {value.name for value in tapped.graph.output}
    tapped.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in sorted(set(names) - own)
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    wanted = sorted(names)
    try:
        session = onnxruntime.InferenceSession(
            tapped.SerializeToString(), options, providers=[PROVIDER]
        )
        return dict(zip(wanted, session.run(wanted, dict(feeds)), strict=True))
    except GRAPH_FAILURES:
        return {}


def _settings(place: Place, values: Arrays, masks: Arrays) -> dict[str, Any] | None:
    """The attributes of the attention that a place is, with its ``mask``; None if it is none."""
    heads = values[place.value].shape[1] if values[place.value].ndim == 4 else 0
    parts = [values[projection.result] for projection in place.projections]
    width = parts[0].shape[-1]
    if heads == 0 or width % heads or any(part.shape != parts[0].shape for part in parts):
        return None
    query, key, value = (
        part.reshape(*part.shape[:2], heads, -1).transpose(0, 2, 1, 3).astype(np.float64)
        for part in parts
    )
    plain, scores = query @ key.swapaxes(2, 3), values[place.scores]
    if scores.shape != plain.shape or not _alike(values[place.value], value):
        return None
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True), dtype=np.float64)
    mixed = (shares / shares.sum(axis=-1, keepdims=True)) @ value
    if not _alike(values[place.merging.output[0]], mixed.transpose(0, 2, 1, 3)):
        return None
    for name, mask in [("", np.ones((1, 1))), *masks.items()]:
        if mask.shape not in ((1, 1), scores.shape[::3]):
            continue
        open_ = np.broadcast_to(mask[:, None, None, :] != 0, scores.shape)
        if not np.isfinite(scores[open_]).all():
            continue
        scale = float((plain * scores)[open_].sum() / np.square(plain[open_]).sum())
        blocked = (scores - scale * plain)[~open_]
        if _alike(scores[open_], scale * plain[open_]) and (blocked < _BLOCKED).all():
            usual = 1 / math.sqrt(width // heads)
            exact = usual if math.isclose(scale, usual, rel_tol=_TOLERANCE) else scale
            settings = {"num_heads": heads, "scale": float(f"{exact:.7g}"), "mask": name}
            return settings | ({"mask_filter_value": _rounded(blocked)} if name else {})
    return None


def _rounded(blocked: NDArray[np.float64]) -> float:
    """What masking adds, without the rounding errors of having been added."""
    mean = float(blocked.mean())
    return float(f"{mean:.5g}") if mean > _LOWEST / 2 else _LOWEST


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and bool(
        np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(other).max(initial=0))
    )


# --- what takes its place -----------------------------------------------------------------


def _replace(model: onnx.ModelProto, place: Place, values: Arrays, masks: Arrays) -> bool:
    """Makes an attention write what the merged heads were, one beside the other already."""
    settings = _settings(place, values, masks)
    if settings is None:
        return False
    merged = place.merging.output[0]
    names = [f"{merged}_projections", f"{merged}_biases"]
    weights = [projection.weight for projection in place.projections]
    biases = [projection.bias for projection in place.projections]
    model.graph.initializer.extend(
        numpy_helper.from_array(np.concatenate(arrays, axis=-1), name)
        for arrays, name in zip((weights, biases), names, strict=True)
    )
    if mask := settings.pop("mask"):
        names.append(f"{mask}_int32")
        if all(names[-1] not in node.output for node in model.graph.node):
            cast = helper.make_node("Cast", [mask], names[-1:], to=TensorProto.INT32)
            model.graph.node.insert(0, cast)
    attention = helper.make_node(
        "Attention",
        [place.projections[0].source, *names],
        [merged],
        domain=_DOMAIN,
        name=place.merging.name,
        **settings,
    )
    model.graph.node.insert(list(model.graph.node).index(place.merging), attention)
    model.graph.node.remove(place.merging)
    return True


def _finish(model: onnx.ModelProto, reshaped: Iterable[str]) -> None:
    """Removes what nobody reads now, and the shapes that tensors had."""
    outputs = {value.name for value in model.graph.output}
    before = -1
    while before != len(model.graph.node):
        before = len(model.graph.node)
        read = outputs.union(*(node.input for node in every_node(model.graph)))
        kept = [node for node in model.graph.node if not read.isdisjoint(node.output)]
        del model.graph.node[:]
        model.graph.node.extend(kept)
    drop_unread_constants(model)
    stale = set(reshaped)
    made = {name for node in model.graph.node for name in node.output} - stale
    infos = [value for value in model.graph.value_info if value.name in made]
    del model.graph.value_info[:]
    model.graph.value_info.extend(infos)
    if all(entry.domain != _DOMAIN for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    name_nodes(model)
