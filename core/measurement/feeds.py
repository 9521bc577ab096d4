"""What a model is fed while it is timed: real samples, made ready beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.records import BadInput, Deployment, PreparedData
from core.sandbox import load_inputs

if TYPE_CHECKING:  # onnxruntime is loaded in the sandbox only
    import onnxruntime

Feed = dict[str, NDArray[Any]]
"""The arrays of one run by the name of the model's input, each of shape ``(batch, ...)``."""

ELEMENT_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(uint16)": "uint16",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
"""numpy's names for the element types a model's inputs may have here."""

FEEDS = 32
_BYTES = 256 * 1024**2  # held in memory for all feeds together


def build_feeds(
    session: onnxruntime.InferenceSession,
    prepared: PreparedData,
    deployment: Deployment,
    *,
    most: int = FEEDS,
) -> list[Feed]:
    """Makes up to `most` batches of consecutive samples, of the types the session wants.

    A dataset smaller than a batch is gone through again from its start.

    Raises:
        BadInput: The model's inputs are not those of the data, or its batch size is fixed at
            another than the deployment's.
    """
    inputs = load_inputs(prepared)
    types = {}
    for node in session.get_inputs():
        if node.name not in inputs:
            raise BadInput(
                f'The model wants an input named "{node.name}", which the data does not have; use '
                "data and models that belong together."
            )
        fixed = node.shape[0] if node.shape else None
        if isinstance(fixed, int) and fixed != deployment.batch_size:
            raise BadInput(
                f"The model only runs batches of {fixed}, and the deployment asks for "
                f"{deployment.batch_size}; set the batch size to {fixed}."
            )
        types[node.name] = ELEMENT_TYPES[node.type]
    samples = min(len(inputs[name]) for name in types)
    batch = deployment.batch_size
    bytes_of_batch = batch * sum(inputs[name][:1].nbytes for name in types)
    count = max(1, min(most, samples // batch, _BYTES // max(bytes_of_batch, 1)))
    return [
        {
            name: np.ascontiguousarray(
                np.take(inputs[name], range(start, start + batch), axis=0, mode="wrap"),
                dtype=kind,
            )
            for name, kind in types.items()
        }
        for start in range(0, count * batch, batch)
    ]
