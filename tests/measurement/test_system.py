"""Cores, control groups, processor and machine: what the system tells."""

import os
import platform
from dataclasses import replace

import numpy as np
import pytest

from core.measurement import fingerprint
from core.measurement.cgroup import cpu_quota, throttled_seconds
from core.measurement.cores import available_cores, choose_cores, physical_cores, pinned_cores
from core.measurement.machine import DECISIVE_FLAGS, find
from core.measurement.noise import describe, drift, load_between, noise_between, read_counters
from core.measurement.processor import read_processor
from core.records import Deployment, Noise, from_json, to_json


def siblings(folder, pairs):
    for pair in pairs:
        for core in pair:
            topology = folder / f"cpu{core}" / "topology"
            topology.mkdir(parents=True)
            (topology / "thread_siblings_list").write_text(",".join(map(str, pair)) + "\n")
    return folder


def test_cores_are_the_last_and_leave_one(tmp_path):
    assert choose_cores((0, 1), 1, tmp_path) == (1,)
    assert choose_cores((0, 1), 2, tmp_path) is None
    assert choose_cores((0,), 1, tmp_path) is None
    assert choose_cores((2, 3, 6, 7), 2, tmp_path) == (6, 7)


def test_no_two_threads_on_one_physical_core(tmp_path):
    sysfs = siblings(tmp_path, [(0, 1), (2, 3), (4, 5)])
    assert choose_cores(tuple(range(6)), 2, sysfs) == (3, 5)
    assert choose_cores(tuple(range(6)), 3, sysfs) is None
    apart = siblings(tmp_path / "apart", [(0, 2), (1, 3)])
    assert choose_cores((0, 1, 2, 3), 1, apart) == (3,)


def test_physical_cores_are_counted_once(tmp_path):
    cores = available_cores()
    assert physical_cores(tmp_path) == len(cores)  # where the system does not tell
    assert physical_cores(siblings(tmp_path, [cores])) == 1


def test_pinned_cores_are_available():
    pinned = pinned_cores(1)
    assert pinned is None or set(pinned) < set(available_cores())


@pytest.fixture
def group_2(tmp_path):
    """A version 2 hierarchy in which the group above ours is limited to 1.5 cores."""
    ours = tmp_path / "root" / "team" / "job"
    ours.mkdir(parents=True)
    (ours / "cpu.max").write_text("max 100000\n")
    (ours.parent / "cpu.max").write_text("150000 100000\n")
    (ours / "cpu.stat").write_text("usage_usec 9\nnr_throttled 0\nthrottled_usec 0\n")
    (ours.parent / "cpu.stat").write_text("usage_usec 9\nnr_throttled 4\nthrottled_usec 2500000\n")
    (tmp_path / "membership").write_text("0::/team/job\n")
    return tmp_path / "root", tmp_path / "membership"


def test_limits_of_groups_above_count(group_2):
    assert cpu_quota(*group_2) == 1.5
    assert throttled_seconds(*group_2) == 2.5


def test_control_groups_version_1(tmp_path):
    ours = tmp_path / "cpu,cpuacct" / "docker" / "1"
    ours.mkdir(parents=True)
    (ours / "cpu.cfs_quota_us").write_text("50000\n")
    (ours / "cpu.cfs_period_us").write_text("100000\n")
    (ours.parent / "cpu.cfs_quota_us").write_text("-1\n")
    (ours.parent / "cpu.cfs_period_us").write_text("100000\n")
    (ours / "cpu.stat").write_text("nr_periods 8\nnr_throttled 3\nthrottled_time 1500000000\n")
    membership = tmp_path / "membership"
    membership.write_text("5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n")
    assert cpu_quota(tmp_path, membership) == 0.5
    assert throttled_seconds(tmp_path, membership) == 1.5


def test_without_control_groups(tmp_path):
    assert cpu_quota(tmp_path, tmp_path / "none") is None
    assert throttled_seconds(tmp_path, tmp_path / "none") is None


def test_the_first_processor_is_read(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2 fma avx512_vnni\n\n"
        "processor\t: 1\nmodel name\t: Another\nflags\t\t: fpu\n"
    )
    assert read_processor(cpuinfo) == ("A CPU", {"fpu", "avx2", "fma", "avx512_vnni"})


def test_arm_calls_them_features(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\nCPU part\t: 0xd4f\n")
    name, flags = read_processor(cpuinfo)
    assert {"asimddp", "i8mm"} <= flags
    assert name


def test_a_system_that_tells_nothing(tmp_path):
    name, flags = read_processor(tmp_path / "none")
    assert name
    assert isinstance(flags, frozenset)


def test_fingerprint_of_this_machine():
    machine = fingerprint(Deployment(threads=1))
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.architecture == platform.machine()
    assert machine.ram_bytes > 10**8
    assert set(machine.flags) <= set(DECISIVE_FLAGS)
    assert machine.libraries["python"] == platform.python_version()
    assert {"onnxruntime", "onnx", "numpy"} <= set(machine.libraries)
    assert machine.session_options["intra_op_num_threads"] == "1"
    assert from_json(type(machine), to_json(machine)) == machine


def codes(findings):
    return {finding.code for finding in findings}


def test_findings_about_a_machine():
    machine = replace(
        fingerprint(Deployment()),
        architecture="x86_64",
        flags=("avx2",),
        cores=2,
        cpu_quota=None,
        governor=None,
    )
    one = Deployment()
    assert codes(find(machine, one, known=True, virtual=False)) == {"no_vnni"}
    assert codes(find(machine, one, known=False, virtual=False)) == {"flags_unknown"}
    vnni = replace(machine, flags=("avx2", "avx_vnni"))
    assert codes(find(vnni, one, known=True, virtual=True)) == {"virtual_machine"}
    arm = replace(machine, architecture="aarch64", flags=("asimddp",), governor="powersave")
    assert codes(find(arm, one, known=True, virtual=False)) == {"governor"}
    limited = replace(vnni, cpu_quota=1.5)
    assert codes(find(limited, one, known=True, virtual=False)) == set()
    found = find(limited, Deployment(threads=4), known=True, virtual=False)
    assert codes(found) == {"too_few_cores", "cpu_quota"}
    assert "1.5 cores" in next(finding for finding in found if finding.code == "cpu_quota").sentence


def test_steal_is_of_the_given_cores(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  20 0 0 180 0 0 0 30 9 9\ncpu0 10 0 0 90 0 0 0 0 9 9\ncpu1 10 0 0 90 0 0 0 30 9 9\n"
    )
    before = read_counters((1,), stat)
    stat.write_text(
        "cpu  90 0 0 180 0 0 0 40 9 9\ncpu0 10 0 0 90 0 0 0 0 9 9\ncpu1 80 0 0 90 0 0 0 60 9 9\n"
    )
    after = read_counters((1,), stat)
    noise = noise_between(before, after, switches_per_s=2.0, baseline_ms=np.ones((2, 4, 3)))
    assert noise.steal_share == pytest.approx(0.3)
    assert noise.involuntary_switches_per_s == 2.0
    assert noise.drift == 0.0
    assert read_counters(None, tmp_path / "none").steal_ticks is None


def test_swapped_pages_are_counted_in_and_out(tmp_path):
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("pgpgin 7\npswpin 100\npswpout 20\npswpin_other 9\n")
    before = replace(read_counters(None, vmstat=vmstat), time_s=10.0)
    vmstat.write_text("pgpgin 9\npswpin 160\npswpout 80\npswpin_other 99\n")
    after = replace(read_counters(None, vmstat=vmstat), time_s=14.0)
    noise = noise_between(before, after, switches_per_s=None, baseline_ms=np.ones((1, 4, 1)))
    assert noise.swapped_pages_per_s == pytest.approx(30.0)
    assert read_counters(None, vmstat=tmp_path / "none").swapped_pages is None


def system_load(start, running, seconds):
    """The load average after a time, in steps of five seconds as the kernel reckons it."""
    for _ in range(0, seconds, 5):
        start = (start * 1884 + running * (2048 - 1884)) / 2048  # EXP_1 of kernel/sched/loadavg.h
    return start


@pytest.mark.parametrize("seconds", [20, 60, 600])
@pytest.mark.parametrize("earlier", [0.0, 1.0, 8.0])
def test_load_is_that_of_the_measurement_whatever_was_before(seconds, earlier):
    before = replace(read_counters(None), time_s=0.0, load=earlier)
    after = replace(before, time_s=float(seconds), load=system_load(earlier, 1.5, seconds))
    assert load_between(before, after) == pytest.approx(1.5, abs=0.05)


def test_load_where_the_system_tells_none():
    before = replace(read_counters(None), load=None)
    assert load_between(before, before) is None


def test_drift_is_of_the_last_quarter_over_the_first():
    of_rounds = np.array([10, 10, 11, 11, 11, 11, 12, 12.0])
    assert drift(np.repeat(of_rounds, 5).reshape(2, 4, 5)) == pytest.approx(0.2)


def test_noise_in_sentences():
    assert describe(Noise(), 1) == ()
    quiet = Noise(
        steal_share=0.001,
        throttled_share=0.0,
        involuntary_switches_per_s=3.0,
        swapped_pages_per_s=0.5,
        load_average=1.2,
        drift=-0.02,
    )
    assert describe(quiet, 1) == ()
    loud = Noise(
        steal_share=0.04,
        throttled_share=0.1,
        involuntary_switches_per_s=200.0,
        swapped_pages_per_s=300.0,
        load_average=3.0,
        drift=-0.2,
    )
    found = {finding.code: finding.sentence for finding in describe(loud, 1)}
    assert set(found) == {"steal", "throttled", "switches", "swap", "load", "drift"}
    assert "4.0%" in found["steal"]
    assert "10.0%" in found["throttled"]
    assert "200 times a second" in found["switches"]
    assert "300 pages" in found["swap"]
    assert "3.0 where the measurement accounts for 1" in found["load"]
    assert "20% faster" in found["drift"]
