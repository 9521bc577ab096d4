"""Small real models, and one real measurement that several tests look at."""

import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.measurement import Comparison, compare
from core.records import DatasetProfile, Deployment, PreparedData, Splits

SIDE = 32


@pytest.fixture(scope="module", autouse=True)
def own_lock(tmp_path_factory):
    """Keeps the tests from waiting for measurements that run on this machine meanwhile."""
    before = tempfile.tempdir
    tempfile.tempdir = str(tmp_path_factory.mktemp("temp"))
    yield
    tempfile.tempdir = before


def _write_convolutions(
    path: Path, layers: int, *, batch: int | str = "n", input_name: str = "image"
) -> Path:
    """A chain of equal convolutions, whose work grows with their number."""
    weight = np.random.default_rng(0).normal(0, 0.08, (16, 16, 3, 3)).astype(np.float32)
    tensors = [input_name, *(f"t{number}" for number in range(layers - 1)), "scores"]
    nodes = [
        helper.make_node("Conv", [source, "weight"], [target], pads=[1] * 4)
        for source, target in pairwise(tensors)
    ]
    shape = [batch, 16, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def write_convolutions():
    return _write_convolutions


@pytest.fixture(scope="session")
def prepare_arrays():
    return _prepare_arrays


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """``fast``, and ``slow`` with three times its work."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "fast": _write_convolutions(folder / "fast.onnx", 2),
        "slow": _write_convolutions(folder / "slow.onnx", 6),
    }


def _prepare_arrays(folder: Path, inputs: dict[str, np.ndarray]) -> PreparedData:
    """Arrays in the layout of prepared data."""
    (folder / "inputs").mkdir(parents=True)
    for position, array in enumerate(inputs.values()):
        np.save(folder / "inputs" / f"{position}.npy", array)
    samples = len(next(iter(inputs.values())))
    np.save(folder / "labels.npy", np.zeros(samples, dtype=np.int64))
    return PreparedData(
        folder=str(folder),
        input_names=tuple(inputs),
        profile=DatasetProfile(
            sha256="0" * 64,
            kind="npz",
            samples=samples,
            classes=1,
            class_names=("0",),
            class_counts=(samples,),
            splits=Splits(calibration=2, search=samples - 4, confirm=2),
            preprocessing=None,
        ),
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    images = np.random.default_rng(1).normal(size=(20, 16, SIDE, SIDE)).astype(np.float32)
    return _prepare_arrays(tmp_path_factory.mktemp("prepared") / "data", {"image": images})


@dataclass
class Measured:
    comparison: Comparison
    samples_file: Path
    said: list[tuple[float, str]]


@pytest.fixture(scope="module")
def measured(own_lock, models, tmp_path_factory):
    """The fast model against the slow one, once for a module's tests, as it takes a while."""
    samples_file = tmp_path_factory.mktemp("out") / "raw" / "latency.parquet"
    said: list[tuple[float, str]] = []
    comparison = compare(
        models["fast"],
        models["slow"],
        Deployment(),
        effort="quick",
        seed=3,
        samples_file=samples_file,
        report=lambda fraction, words: said.append((fraction, words)),
    )
    return Measured(comparison, samples_file, said)
