"""Finds tensors that carry an attention mask, whose values are a switch and not a quantity.

Exporters switch positions off by adding -10000, the least float or minus infinity to the scores
before ``Softmax``. As part of a range, such a constant would leave nothing for the scores: one of
256 steps of -10000 is 39, and scores span about 20.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from core.quantization.graph import Graph

MASKED: Final = -1e3
"""Values up to this are taken to switch a position off: far below any score, and above what is
left of -10000 when a score was added to it."""
MARGIN: Final = float(np.log(2.0**14))
"""How far below the least real score a masked one must stay: ``Softmax`` then gives it a weight
of at most 2^-14 of any real one, so that even a long padding weighs next to nothing."""
_CARRIES = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Where", "Min", "Max", "Clip", "Identity", "Cast"),
        *("Reshape", "Expand", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Concat", "Tile"),
    }
)


def mask_tensors(graph: Graph) -> frozenset[str]:
    """Names the tensors from which a mask may reach a ``Softmax``, and what it was made of."""
    found: set[str] = set()
    waiting = [node.input[0] for node in graph.nodes if node.op_type == "Softmax"]
    while waiting:
        tensor = waiting.pop()
        if tensor in found or not tensor:
            continue
        found.add(tensor)
        producer = graph.producers.get(tensor)
        if producer is not None and producer.op_type in _CARRIES:
            waiting += producer.input
    return frozenset(found)
