"""Olive's two ONNX quantization passes."""

from __future__ import annotations

import shutil
import tempfile

from olive.data.config import DataComponentConfig, DataConfig
from olive.data.registry import Registry
from olive.model import ONNXModelHandler
from olive.passes.olive_pass import create_pass_from_dict
from olive.passes.onnx.quantization import OnnxDynamicQuantization, OnnxStaticQuantization
from runner import Job, main


def run(kind: type, job: Job, options: dict[str, object]) -> None:
    """Runs one pass on the model."""
    passed = create_pass_from_dict(kind, options, disable_search=True)
    made = passed.run(ONNXModelHandler(job.model), tempfile.mkdtemp())
    shutil.copyfile(made.model_path, job.out)


def calibration(job: Job) -> DataConfig:
    """The samples as Olive's calibration data: (inputs, label) pairs, batches ready made."""
    Registry.register_dataset("samples")(lambda **_options: [(feed, 0) for feed in job.samples])
    Registry.register_dataloader("as_they_are")(lambda dataset, **_options: dataset)
    return DataConfig(
        name="calibration",
        load_dataset_config=DataComponentConfig(type="samples"),
        pre_process_data_config=DataComponentConfig(type="skip_pre_process"),
        post_process_data_config=DataComponentConfig(type="skip_post_process"),
        dataloader_config=DataComponentConfig(type="as_they_are"),
    )


def static(job: Job) -> None:
    """The static pass as configured by default."""
    run(OnnxStaticQuantization, job, {"data_config": calibration(job)})


def static_per_channel(job: Job) -> None:
    """The types that suit x86."""
    options = {"activation_type": "uint8", "precision": "int8", "per_channel": True}
    run(OnnxStaticQuantization, job, {"data_config": calibration(job), **options})


def dynamic(job: Job) -> None:
    """The dynamic pass as configured by default."""
    run(OnnxDynamicQuantization, job, {})


def dynamic_per_channel(job: Job) -> None:
    """A scale for each output channel."""
    run(OnnxDynamicQuantization, job, {"per_channel": True})


main(
    {
        "static, defaults": static,
        "static, U8/S8 per channel": static_per_channel,
        "dynamic, defaults": dynamic,
        "dynamic, per channel": dynamic_per_channel,
    }
)
