"""Runs a new candidate on a few real samples before anything is measured on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from core.quantization.calibration import fixed_batch, take
from core.records import BadInput, Deployment, PreparedData
from core.sandbox import load_inputs, model_errors, open_session, short_reason

_SAMPLES = 4


def smoke_run(path: Path, prepared: PreparedData, deployment: Deployment) -> None:
    """Loads a candidate as it will be served and runs it at batch 1 and at the deployment's.

    Raises:
        BadInput: It does not load or run, or answers with NaN or infinite values.
    """
    try:
        onnx.checker.check_model(path)
    except onnx.checker.ValidationError as error:
        message = f'The converter wrote a file that is not valid ONNX: "{short_reason(error)}".'
        raise BadInput(message) from error
    fixed = fixed_batch(onnx.load(path))
    session = open_session(path, deployment, "The candidate cannot be loaded")
    inputs = load_inputs(prepared, "search")
    for batch_size in sorted({fixed or 1, fixed or deployment.batch_size}):
        for start in range(0, min(_SAMPLES, prepared.profile.splits.search), batch_size):
            rows = np.arange(start, min(start + batch_size, prepared.profile.splits.search))
            feeds = {name: take(values, rows, batch_size) for name, values in inputs.items()}
            with model_errors("The candidate cannot be run"):
                answers = session.run(None, feeds)
            for answer in answers:
                if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
                    continue
                if not np.isfinite(answer).all():
                    message = "Its outputs contain NaN or infinite values."
                    raise BadInput(message)
