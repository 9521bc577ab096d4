"""How well latency is compared beside other work; run by ``make bench``.

A second process burns CPU in bursts all the while. ``compare`` is asked 20 times each whether a
model is as fast as itself, and whether one with 5% more work in its graph is slower; plain
sequential blocks of 100 runs, the usual stopwatch, are shown for comparison.
"""

import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.measurement import compare, fingerprint
from core.records import Deployment
from core.sandbox import open_session

TRIES = 20
ONE = Deployment(threads=1)
SHAPE = [1, 32, 40, 40]
BURSTS = """
import random, threading, time
while True:
    end = time.monotonic() + random.uniform(0.1, 2.0)
    while time.monotonic() < end:
        sum(range(10_000))
    threading.Event().wait(random.uniform(0.1, 2.0))
"""


@pytest.fixture(scope="module", autouse=True)
def busy_machine():
    """Another process that works now and then, and a line about the machine."""
    machine = fingerprint(ONE)
    print(f"\n{machine.cpu_model}, {machine.cores} cores, {' '.join(machine.flags)}")
    print(f"{machine.os}, onnxruntime {machine.libraries['onnxruntime']}")
    with subprocess.Popen([sys.executable, "-c", BURSTS]) as process:
        yield
        process.kill()
    print(f"\nload at the end: {os.getloadavg()[0]:.1f}")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_chain(tmp_path_factory.mktemp("bench") / "model.onnx", 20)


def write_chain(path, layers):
    """Convolutions one after the other, all with the same weights: work by their number."""
    weight = np.random.default_rng(0).normal(0, 0.06, (32, 32, 3, 3)).astype(np.float32)
    tensors = ["image", *(f"t{number}" for number in range(layers - 1)), "scores"]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [source, "weight"], [target], pads=[1] * 4)
            for source, target in pairwise(tensors)
        ],
        "chain",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, SHAPE)],
        [numpy_helper.from_array(weight, "weight")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def compare_often(a, b):
    comparisons = []
    print(f"\n{'ratio':>8}{'low':>8}{'high':>8}{'A/A':>8}  passed   p50 of a and b, ms")
    for seed in range(TRIES):
        found = compare(a, b, ONE, seed=seed)
        ratio, times = found.speedup, found.p50_ms
        print(
            f"{ratio.ratio:8.4f}{ratio.low:8.4f}{ratio.high:8.4f}{found.aa.ratio:8.4f}"
            f"  {found.aa.passed!s:6}{times.a:11.3f}{times.b:8.3f}",
            flush=True,
        )
        comparisons.append(found)
    return comparisons


def test_a_model_is_as_fast_as_itself(model):
    found = compare_often(model, model)
    off = [abs(comparison.speedup.ratio - 1) for comparison in found]
    contain = sum(found.speedup.low <= 1 <= found.speedup.high for found in found)
    print(f"|ratio - 1|: median {statistics.median(off):.2%}, largest {max(off):.2%}")
    print(f"within 1%: {sum(value <= 0.01 for value in off)}, containing 1: {contain}, of {TRIES}")
    assert sum(value <= 0.01 for value in off) >= 0.95 * TRIES
    assert contain >= 0.9 * TRIES


def test_five_percent_more_work_is_slower(model, tmp_path):
    found = compare_often(model, write_chain(tmp_path / "slower.onnx", 21))
    slower = sum(comparison.speedup.high < 1 for comparison in found)
    print(f"found slower: {slower} of {TRIES}")
    assert slower >= 0.9 * TRIES


def test_a_stopwatch_is_worse(model):
    session = open_session(model, ONE)
    feed = {"image": np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)}

    def block():
        times = []
        for _ in range(100):
            start = time.perf_counter()
            session.run(None, feed)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    block()
    off = [abs(block() / block() - 1) for _ in range(TRIES)]
    print(f"\n|ratio - 1|: median {statistics.median(off):.2%}, largest {max(off):.2%}")
    print(f"within 1%: {sum(value <= 0.01 for value in off)} of {TRIES}")
    assert max(off) > 0.01
