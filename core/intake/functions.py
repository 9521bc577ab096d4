"""Functions that a model defines itself: inlined, so that only operators remain."""

from __future__ import annotations

import onnx
from onnx import inliner

from core.intake.tensors import all_nodes
from core.records import BadInput

_MOST_NODES = 1_000_000
_Key = tuple[str, str, str]


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Puts the bodies of the model's own functions where they are called.

    Raises:
        BadInput: A function calls itself, or the model would become unreasonably large.
    """
    if not model.functions:
        return model
    calls = {_key(one): [_key(node) for node in all_nodes(one.node)] for one in model.functions}
    sizes: dict[_Key, int] = {}
    for function in calls:
        _expanded_size(function, calls, sizes)
    total = sum(sizes.get(_key(node), 1) for node in all_nodes(model.graph.node))
    if total > _MOST_NODES:
        raise BadInput(
            f"The model's functions expand to {total:,} operators, too many to run: export the "
            "model again."
        )
    return inliner.inline_local_functions(model)


def _expanded_size(start: _Key, calls: dict[_Key, list[_Key]], sizes: dict[_Key, int]) -> None:
    # An explicit stack: a hostile file may chain more functions than Python may nest calls.
    stack, open_calls = [start], set[_Key]()
    while stack:
        function = stack[-1]
        waiting = [one for one in calls[function] if one in calls and one not in sizes]
        if function in sizes or not waiting:
            sizes[function] = sum(sizes.get(one, 1) for one in calls[function])
            open_calls.discard(function)
            stack.pop()
            continue
        open_calls.add(function)
        if not open_calls.isdisjoint(waiting):
            raise BadInput(
                f"The model's function '{function[1]}' calls itself: export the model again."
            )
        stack.extend(dict.fromkeys(waiting))


def _key(one: onnx.NodeProto | onnx.FunctionProto) -> _Key:
    name = one.op_type if isinstance(one, onnx.NodeProto) else one.name
    return one.domain, name, one.overload
