"""Plain onnxruntime: its quantization functions as its documentation calls them."""

from __future__ import annotations

import os
import tempfile

from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from runner import Feed, Job, main


class Reader(CalibrationDataReader):
    """Hands the samples out."""

    def __init__(self, job: Job) -> None:
        self._samples = job.samples

    def get_next(self) -> Feed | None:
        """The next sample."""
        return self._samples.get_next()


def preprocessed(job: Job) -> str:
    """The model after the documented first step, without the part of it that often raises."""
    ready = os.path.join(tempfile.gettempdir(), "ready.onnx")  # noqa: PTH118
    try:
        quant_pre_process(job.model, ready)
    except Exception:  # plain, where its symbolic shape inference does not know a shape
        quant_pre_process(job.model, ready, skip_symbolic_shape=True)
    return ready


def static_defaults(job: Job) -> None:
    """The call with nothing but what it needs: S8 activations, S8 weights, per tensor."""
    quantize_static(preprocessed(job), job.out, Reader(job))


def static_per_channel(job: Job) -> None:
    """The types that suit x86."""
    quantize_static(
        preprocessed(job),
        job.out,
        Reader(job),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


def dynamic(job: Job) -> None:
    """The call with nothing but what it needs."""
    quantize_dynamic(preprocessed(job), job.out)


def dynamic_per_channel(job: Job) -> None:
    """A scale for each output channel."""
    quantize_dynamic(preprocessed(job), job.out, per_channel=True)


main(
    {
        "static, defaults": static_defaults,
        "static, U8/S8 per channel": static_per_channel,
        "dynamic, defaults": dynamic,
        "dynamic, per channel": dynamic_per_channel,
    }
)
