"""NNCF's ONNX backend."""

from __future__ import annotations

from collections.abc import Iterable

import nncf
import numpy as np
import onnx
import onnxruntime
from runner import Feed, Job, main


def quantize(job: Job, **options: object) -> None:
    """Post-training quantization with the samples as they are."""
    model = nncf.quantize(onnx.load(job.model), nncf.Dataset(job.samples), **options)
    onnx.save(model, job.out)


def defaults(job: Job) -> None:
    """Nothing but what the call needs."""
    quantize(job)


def mixed(job: Job) -> None:
    """Asymmetric activations, for the CPU: what its guide says for other than ReLU models."""
    quantize(job, preset=nncf.QuantizationPreset.MIXED, target_device=nncf.TargetDevice.CPU)


def transformer(job: Job) -> None:
    """What its guide says for transformers, SmoothQuant included."""
    quantize(job, model_type=nncf.ModelType.TRANSFORMER)


def controlled(job: Job) -> None:
    """Its accuracy control, told by which share of the samples a model answers as in FP32."""
    model = onnx.load(job.model)
    wanted = answers(model, job.samples)

    def share(candidate: onnx.ModelProto, feeds: Iterable[Feed]) -> tuple[float, list[float]]:
        same = [float(answer) for answer in answers(candidate, feeds) == wanted]
        return float(np.mean(same)), same

    samples = nncf.Dataset(job.samples)
    made = nncf.quantize_with_accuracy_control(model, samples, samples, share)
    onnx.save(made, job.out)


def answers(model: onnx.ModelProto, feeds: Iterable[Feed]) -> np.ndarray:
    """The class that a model gives to each sample."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.array([session.run(None, feed)[0].argmax() for feed in feeds])


main(
    {
        "static, defaults": defaults,
        "static, mixed preset": mixed,
        "static, transformer": transformer,
        "static, accuracy control": controlled,
    }
)
