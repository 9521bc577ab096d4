"""NVIDIA Model Optimizer's ONNX quantizer."""

from __future__ import annotations

from modelopt.onnx.quantization import quantize
from runner import Job, main


def calibrated(method: str):
    """A recipe with one of its calibrations, and with FP32 where it would write FP16."""

    def run(job: Job) -> None:
        quantize(
            job.model,
            quantize_mode="int8",
            calibration_data=job.samples.arrays,
            calibration_method=method,
            calibration_eps=["cpu"],
            high_precision_dtype="fp32",
            output_path=job.out,
        )

    return run


main({"int8, entropy": calibrated("entropy"), "int8, max": calibrated("max")})
