from __future__ import annotations

import itertools
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from core.records import BadInput, Candidate, Finding, Recipe
from core.sandbox import Limits, SandboxFailure, call
from tests.sandbox import functions, kernels

ROOT = Path(__file__).parents[2]


class Cancelled(Exception):  # noqa: N818  (as DBOS calls its own)
    pass


def test_records_cross_and_come_back_equal() -> None:
    candidate = Candidate(
        id="int8",
        recipe=Recipe(id="int8", method="int8_static", left_in_float=("a", "é\n")),
        status="rejected",
        reason="“too” slow",
    )
    findings = (
        Finding(severity="info", code="one", sentence="One."),
        Finding(severity="error", code="two", sentence="Two."),
    )

    result = call(functions.same_candidate, candidate, findings=findings)

    assert result == {"one": candidate, "two": candidate}


def test_numbers_paths_and_none_cross() -> None:
    assert call(functions.add, 2) == 3
    assert call(functions.nothing) is None
    values = call(functions.same_floats, (0.1, math.inf, math.nan))
    assert values[:2] == (0.1, math.inf)
    assert math.isnan(values[2])


def test_relative_paths_mean_what_they_mean_to_the_parent() -> None:
    assert call(functions.same_path, Path("some.onnx")) == Path.cwd() / "some.onnx"
    assert call(functions.same_paths, {"a": Path("a")}) == (Path.cwd() / "a",)


def test_only_annotated_functions_of_a_module_are_called() -> None:
    with pytest.raises(TypeError, match="cannot be imported"):
        call(lambda: None)
    with pytest.raises(TypeError, match="lacks annotations of return, value"):
        call(functions.bare, 1)


def test_arguments_that_do_not_fit_are_our_own_mistake() -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        call(functions.add)


def test_progress_arrives_in_order() -> None:
    heard: list[tuple[float, str]] = []

    assert call(functions.reports, 50_000, report=lambda *news: heard.append(news)) == "done"

    assert (0.0, "step 0") in heard
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions)
    assert len(heard) < 1_000  # not one for each of the child's


def test_progress_without_a_listener_is_no_trouble() -> None:
    assert call(functions.reports, 3) == "done"


def test_the_listener_is_called_twice_a_second_without_news() -> None:
    times: list[float] = []

    call(functions.wait, 1.5, report=lambda *_: times.append(time.monotonic()))

    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) >= 3
    assert max(gaps) < 1.0


def test_bad_input_passes_through() -> None:
    with pytest.raises(BadInput, match=r"^Not an ONNX file\.$"):
        call(functions.refuse, "Not an ONNX file.")


def test_any_other_exception_is_one_sentence_with_the_traceback_in_the_detail() -> None:
    with pytest.raises(SandboxFailure) as caught:
        call(functions.fail)
    assert caught.value.kind == "error"
    assert "secret" not in str(caught.value)
    assert "KeyError: 'a secret word'" in caught.value.detail
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  (our own)
    assert (str(again), again.kind) == (str(caught.value), "error")


def test_a_result_of_another_type_is_an_error() -> None:
    with pytest.raises(SandboxFailure) as caught:
        call(functions.wrong_result)
    assert caught.value.kind == "error"


def test_an_exit_is_an_error() -> None:
    with pytest.raises(SandboxFailure) as caught:
        call(functions.leave)
    assert caught.value.kind == "error"


@pytest.mark.parametrize("function", [functions.abort, functions.read_null])
def test_a_crash_is_told_as_one(function: object) -> None:
    with pytest.raises(SandboxFailure, match="crashed") as caught:
        call(function)  # type: ignore[arg-type]
    assert caught.value.kind == "crash"
    assert "functions.py" in caught.value.detail  # where in Python it happened


def test_too_much_memory_is_told_with_the_limit() -> None:
    with pytest.raises(SandboxFailure, match="more than 512 MB of memory") as caught:
        call(functions.allocate, 600 * 2**20, limits=Limits(memory_bytes=512 * 2**20))
    assert caught.value.kind == "memory"


def test_mapped_files_are_not_memory(tmp_path: Path) -> None:
    size = 2**30
    limits = Limits(memory_bytes=512 * 2**20)
    assert call(functions.map_file, tmp_path / "large", size, limits=limits) == size


def test_a_kill_by_the_kernel_is_told_as_memory() -> None:
    with pytest.raises(SandboxFailure, match="machine ran out of memory") as caught:
        call(functions.kill_itself)
    assert caught.value.kind == "memory"


def test_the_wall_clock_stops_it() -> None:
    began = time.monotonic()
    with pytest.raises(SandboxFailure, match="took longer than 1 second ") as caught:
        call(functions.wait, 60.0, limits=Limits(wall_seconds=1))
    assert caught.value.kind == "time"
    assert time.monotonic() - began < 5


def test_processor_time_stops_it() -> None:
    with pytest.raises(SandboxFailure, match="1 second of processor time") as caught:
        call(functions.compute_forever, limits=Limits(cpu_seconds=1))
    assert caught.value.kind == "time"


def test_a_file_too_large_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(SandboxFailure, match="file of more than 1 MB") as caught:
        call(functions.write_file, path, 2 * 2**20, limits=Limits(file_bytes=2**20))
    assert caught.value.kind == "error"
    assert path.stat().st_size <= 2**20


def test_limits_are_set() -> None:
    limits = Limits(memory_bytes=2**30, cpu_seconds=60, file_bytes=2**20, open_files=64)
    found = call(functions.soft_limits, limits=limits)
    assert (found["DATA"], found["CPU"], found["FSIZE"]) == (2**30, 60, 2**20)
    assert (found["NOFILE"], found["CORE"]) == (64, 0)
    assert 2**30 < found["AS"] < 2**40


def test_cancel_kills_the_child_and_its_children_at_once() -> None:
    seen: list[int] = []

    def cancel(fraction: float, words: str) -> None:
        if words:
            seen.extend(json.loads(words))
            raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        call(functions.wait_with_child, report=cancel)
    assert time.monotonic() - began < 5
    assert len(seen) == 2
    assert all(_is_gone(pid) for pid in seen)


def test_what_a_child_leaves_behind_is_killed() -> None:
    assert _is_gone(call(functions.leave_child_behind))


def test_an_answer_counts_even_if_the_child_would_never_end() -> None:
    began = time.monotonic()
    assert call(functions.hang_in_a_thread) == 7
    assert time.monotonic() - began < 10


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "from tests.sandbox import functions\n"
        "from core.sandbox import call\n"
        "call(functions.wait_with_child, report=lambda _, words: print(words, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        words = next(line for line in parent.stdout if line.startswith("["))
        child, grandchild = json.loads(words)
        parent.kill()
        try:
            assert _is_gone(child)
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_threads_call_side_by_side() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda number: call(functions.add, number), range(4))) == [1, 2, 3, 4]


def test_processors_can_be_chosen() -> None:
    one = min(os.sched_getaffinity(0))
    assert call(functions.processors, cpus=(one,)) == (one,)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")
def test_onnxruntime_chooses_its_kernels_before_processors_are_taken_away() -> None:
    one = min(os.sched_getaffinity(0))
    pinned = call(kernels.product_seconds, cpus=(one,))
    free = call(kernels.product_seconds)
    assert pinned < 2 * free  # without AMX it takes 2.5 times as long and more


def _is_gone(pid: int) -> bool:
    """Tells whether a process has ended or, as a kill takes its moment, does so soon."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        threading.Event().wait(0.01)
    return False
