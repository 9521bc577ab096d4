"""Small sweeps of real models, and the figures that known samples give."""

import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, parser

from core.measurement import measure_sweep
from core.measurement.cores import physical_cores
from core.measurement.grid import MIN_ROUNDS, RUNS, Grid, full_grid
from core.measurement.sweep import summarise_point
from core.measurement.sweep_rounds import run_sweep
from core.records import BadInput, Deployment, Ratio, SweepPoint, from_json, to_json
from core.sandbox import Limits, call


class Cancelled(Exception):  # noqa: N818
    pass


def sweep(models, prepared, deployment, report=lambda fraction, words: None, budget_s=60.0):
    return measure_sweep(models, prepared, deployment, seed=0, budget_s=budget_s, report=report)


def run_here(models, prepared, grid, folder, budget_s=0.0):
    """The child's part, in this process, so that its files can be looked at."""
    points = run_sweep(models, prepared, grid, 0, budget_s, folder, lambda fraction, words: None)
    return points, [np.load(folder / f"{number}.npy") for number in range(len(points))]


@pytest.fixture(scope="module")
def pair(models):
    return {"baseline": models["fast"], "int8": models["slow"]}


@pytest.fixture(scope="module")
def swept(pair, prepared):
    said = []
    points = sweep(pair, prepared, Deployment(), lambda *progress: said.append(progress))
    return points, said


def test_every_point_has_both_models(swept):
    points, _ = swept
    measured = [Deployment(threads=p.threads, batch_size=p.batch_size) for p in points]
    assert tuple(measured) == full_grid(Deployment(), physical_cores()).points
    for point in points:
        assert list(point.p50_ms) == list(point.samples_per_s) == ["baseline", "int8"]
        assert point.speedup["baseline"] == Ratio(ratio=1.0, low=1.0, high=1.0)
        for p50 in point.p50_ms.values():
            assert 0 < p50.low <= p50.value <= p50.high
        assert from_json(SweepPoint, to_json(point)) == point


def test_three_times_the_work_is_slower_and_a_batch_of_eight_takes_longer(swept):
    one, eight = swept[0][:2]
    assert (one.threads, one.batch_size, eight.batch_size) == (1, 1, 8)
    for point in (one, eight):
        ratio = point.speedup["int8"]
        assert ratio.low <= ratio.ratio <= ratio.high
        assert ratio.ratio < 0.7
    assert eight.p50_ms["baseline"].value > 3 * one.p50_ms["baseline"].value


def test_progress_only_grows(swept):
    fractions = [fraction for fraction, _ in swept[1]]
    assert fractions == sorted(fractions)
    assert 0.9 < fractions[-1] <= 1
    assert any(words.startswith("round ") for _, words in swept[1])
    assert all(words for _, words in swept[1])


def test_a_fixed_batch_size_is_the_only_one(write_convolutions, prepared, tmp_path):
    fixed = write_convolutions(tmp_path / "fixed.onnx", 1, batch=2)
    points = sweep({"baseline": fixed}, prepared, Deployment(batch_size=2))
    assert {point.batch_size for point in points} == {2}
    with pytest.raises(BadInput, match="batches of 2"):
        sweep({"baseline": fixed}, prepared, Deployment())


def test_a_batch_axis_that_is_open_and_does_not_work(prepared, tmp_path):
    """The shape says any batch; a constant inside allows one only."""
    size = 16 * 32 * 32
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Constant", [], ["shape"], value_ints=[1, size]),
                helper.make_node("Reshape", ["image", "shape"], ["scores"]),
            ],
            "one",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 16, 32, 32])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", size])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.save(model, tmp_path / "one.onnx")
    grid = Grid(own=Deployment(), threads=(1,), batch_sizes=(1, 8))
    models = {"baseline": tmp_path / "one.onnx"}
    points, _ = run_here(models, prepared, grid, tmp_path, budget_s=10.0)
    assert points == (Deployment(),)


def test_without_memory_large_batches_are_left_out(prepared, tmp_path):
    """Its memory grows with the square of the batch: 4 MB of one sample, 1.6 GB of twenty."""
    model = """
    <ir_version: 9, opset_import: ["" : 17]>
    square (float[n, 16, 32, 32] image) => (float[h, w] scores) {
        repeats = Constant <value_ints = [1, 1000]> ()
        column = Constant <value_ints = [-1, 1]> ()
        row = Constant <value_ints = [1, -1]> ()
        mean = ReduceMean <axes = [1, 2, 3], keepdims = 0> (image)
        tall = Reshape(mean, column)
        wide = Tile(tall, repeats)
        left = Reshape(wide, column)
        right = Reshape(wide, row)
        square = MatMul(left, right)
        scores = ReduceMax <axes = [0, 1]> (square)
    }
    """
    onnx.save(parser.parse_model(model), tmp_path / "square.onnx")
    points = call(
        run_sweep,
        {"baseline": tmp_path / "square.onnx"},
        prepared,
        Grid(own=Deployment(), threads=(1, 2), batch_sizes=(1, 4, 20)),
        0,
        60.0,
        tmp_path,
        limits=Limits(memory_bytes=1024**3),
    )
    assert {point.batch_size for point in points} == {1, 4}


def test_without_time_the_fewest_rounds_of_the_deployments_own_point(pair, prepared, tmp_path):
    grid = Grid(own=Deployment(), threads=(1, 2), batch_sizes=(1, 8))
    points, samples = run_here(pair, prepared, grid, tmp_path)
    assert points == (Deployment(),)
    assert samples[0].shape == (2, MIN_ROUNDS, RUNS)
    assert (samples[0] > 0).all()


def test_a_sweep_ends_when_its_time_is_up(write_convolutions, prepared, tmp_path):
    models = {"baseline": write_convolutions(tmp_path / "deep.onnx", 400)}
    started = time.monotonic()
    points = sweep(models, prepared, Deployment(), budget_s=6.0)
    assert Deployment() in {Deployment(threads=p.threads, batch_size=p.batch_size) for p in points}
    assert time.monotonic() - started < 2 * 6.0


def test_cancel_stops_it(pair, prepared):
    def report(fraction, words):
        raise Cancelled

    with pytest.raises(Cancelled):
        sweep(pair, prepared, Deployment(), report)
    assert not list(Path(tempfile.gettempdir()).glob("measure-first-sweep-*"))


def test_known_samples():
    random = np.random.default_rng(0)
    machine = np.exp(random.normal(0, 0.3, (30, 1)))  # its speed in each round
    samples = {
        "baseline": 20.0 * machine * np.exp(random.normal(0, 0.01, (30, RUNS))),
        "int8": 10.0 * machine * np.exp(random.normal(0, 0.01, (30, RUNS))),
    }
    point = summarise_point(Deployment(threads=2, batch_size=8), samples, seed=1)
    assert (point.threads, point.batch_size) == (2, 8)
    assert point.speedup["int8"].ratio == pytest.approx(2.0, rel=0.01)
    assert point.speedup["int8"].low <= 2.0 <= point.speedup["int8"].high
    assert point.speedup["int8"].high / point.speedup["int8"].low < 1.02
    assert point.p50_ms["int8"].value == pytest.approx(np.median(samples["int8"]))
    total_s = samples["int8"].sum() / 1e3
    assert point.samples_per_s["int8"] == pytest.approx(30 * RUNS * 8 / total_s)
    assert summarise_point(Deployment(threads=2, batch_size=8), samples, seed=1) == point


def test_intervals_of_one_process_cover():
    random = np.random.default_rng(3)
    covered = 0
    for seed in range(200):
        machine = np.exp(random.normal(0, 0.2, (20, 1)))
        samples = {
            name: level * machine * np.exp(random.normal(0, 0.05, (20, RUNS)))
            for name, level in (("baseline", 13.0), ("int8", 10.0))
        }
        ratio = summarise_point(Deployment(), samples, seed).speedup["int8"]
        covered += ratio.low <= 1.3 <= ratio.high
    assert covered >= 0.91 * 200
