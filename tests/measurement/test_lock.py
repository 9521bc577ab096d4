import subprocess
import sys
import tempfile

import pytest

from core.measurement import machine_lock


class Cancelled(Exception):  # noqa: N818
    pass


def silent(fraction, words):
    raise AssertionError(words)


@pytest.fixture
def other_process(tmp_path, monkeypatch):
    """Another process that holds the machine until its stdin closes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import sys\nfrom core.measurement import machine_lock\n"
        "with machine_lock(print):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_thread_may_take_it_again():
    with machine_lock(silent), machine_lock(silent):
        pass
    with machine_lock(silent):
        pass


def test_waits_says_so_and_goes_on_when_the_other_ends(other_process):
    said = []

    def report(fraction, words):
        said.append(words)
        other_process.stdin.close()

    with machine_lock(report):
        assert set(said) == {"waiting for another measurement on this machine"}
        assert other_process.wait(timeout=10) == 0


def test_a_killed_process_holds_nothing(other_process):
    other_process.kill()
    other_process.wait()
    with machine_lock(silent):
        pass


def test_the_wait_can_be_cancelled(other_process):
    def report(fraction, words):
        raise Cancelled

    with pytest.raises(Cancelled), machine_lock(report):
        pass
    assert other_process.poll() is None
