"""The ONNX path of neural-compressor's second version, the last that had one."""

from __future__ import annotations

from neural_compressor import PostTrainingQuantConfig, quantization
from runner import Job, main


class Loader:
    """The samples as (inputs, label) pairs."""

    batch_size = 1

    def __init__(self, job: Job) -> None:
        self._samples = job.samples

    def __iter__(self):
        return ((feed, 0) for feed in self._samples)


def fit(approach: str):
    """A recipe with one of its approaches."""

    def run(job: Job) -> None:
        made = quantization.fit(
            job.model,
            PostTrainingQuantConfig(
                approach=approach,
                calibration_sampling_size=[len(job.samples)],
                recipes={"gemm_to_matmul": False},  # else it stumbles over shapes it leaves
            ),
            calib_dataloader=Loader(job) if approach == "static" else None,
        )
        if made is None:  # it logs what was raised and goes on
            raise SystemExit("It gave no model back.")
        made.save(job.out)

    return run


main({"static, defaults": fit("static"), "dynamic, defaults": fit("dynamic")})
