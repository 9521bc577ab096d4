"""AMD Quark's ONNX quantizer with its ready-made configurations."""

from __future__ import annotations

from quark.onnx import ModelQuantizer
from quark.onnx.quantization.config import Config, get_default_config
from runner import Job, main


def recipe(name: str):
    """A recipe that uses one of Quark's named configurations."""

    def quantize(job: Job) -> None:
        configuration = Config(global_quant_config=get_default_config(name))
        ModelQuantizer(configuration).quantize_model(job.model, job.out, job.samples)

    return quantize


main(
    {
        "U8S8_AAWS": recipe("U8S8_AAWS"),
        "INT8_CNN_DEFAULT": recipe("INT8_CNN_DEFAULT"),
        "INT8_TRANSFORMER_DEFAULT": recipe("INT8_TRANSFORMER_DEFAULT"),
    }
)
