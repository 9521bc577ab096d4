"""onnx-neural-compressor, the ONNX part of Intel's neural-compressor since its third version."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx_neural_compressor import data_reader
from onnx_neural_compressor.quantization import QuantFormat, config, quantize, tuning
from runner import Feed, Job, Samples, main


class Reader(data_reader.CalibrationDataReader):
    """Hands the samples out."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def get_next(self) -> Feed | None:
        """The next sample."""
        return self._samples.get_next()

    def rewind(self) -> None:
        """Starts again."""
        self._samples.rewind()


def static(job: Job) -> None:
    """QOperator format, U8/S8 per tensor."""
    quantize(job.model, job.out, config.StaticQuantConfig(Reader(job.samples)))


def static_qdq(job: Job) -> None:
    """The format and the scales that onnxruntime recommends on x86."""
    quantize(
        job.model,
        job.out,
        config.StaticQuantConfig(
            Reader(job.samples), quant_format=QuantFormat.QDQ, per_channel=True
        ),
    )


def dynamic(job: Job) -> None:
    """S8 weights per tensor."""
    quantize(job.model, job.out, config.DynamicQuantConfig())


def dynamic_per_channel(job: Job) -> None:
    """A scale for each output channel."""
    quantize(job.model, job.out, config.DynamicQuantConfig(per_channel=True))


def tuned(configurations: Callable[[], list]) -> Callable[[Job], None]:
    """Its own search, told by which share of the samples a model answers as the FP32 one."""

    def run(job: Job) -> None:
        wanted = answers(job.model, job.samples)
        made = tuning.autotune(
            job.model,
            tuning.TuningConfig(config_set=configurations()),
            eval_fn=lambda path: float((answers(path, job.samples) == wanted).mean()),
            calibration_data_reader=Reader(job.samples),
        )
        onnx.save(made, job.out)

    return run


def answers(model: str, samples: Samples) -> np.ndarray:
    """The class that a model gives to each sample."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.array([session.run(None, feed)[0].argmax() for feed in samples])


main(
    {
        "static, defaults": static,
        "static, QDQ per channel": static_qdq,
        "dynamic, defaults": dynamic,
        "dynamic, per channel": dynamic_per_channel,
        "static, its tuning": tuned(config.StaticQuantConfig.get_config_set_for_tuning),
        "dynamic, its tuning": tuned(config.DynamicQuantConfig.get_config_set_for_tuning),
    }
)
