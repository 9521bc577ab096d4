"""What a child sees of the machine, and what it cannot do to its parent."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from core.sandbox import SandboxFailure, call, listen
from tests.sandbox import functions

# 0x40000000 is CLONE_NEWNET, 0x10000000 CLONE_NEWUSER.
UNSHARE = """
import ctypes, os, sys
flags = 0x40000000 if os.getuid() == 0 else 0x50000000
sys.exit(ctypes.CDLL(None).unshare(flags) != 0)
"""


def test_the_environment_holds_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MF_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("LD_PRELOAD_NOT", "x")

    found = call(functions.environment)

    assert "secret" not in " ".join(found.values())
    assert found.keys() <= {
        "HOME",
        "LANG",
        "LC_CTYPE",  # which Python itself may add
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "ORT_DISABLE_TELEMETRY",
        "PATH",
        "PYDANTIC_DISABLE_PLUGINS",
        "PYTHONHASHSEED",
        "PYTHONPATH",
        "TMPDIR",
    }


def test_it_works_in_a_folder_of_its_own_that_is_removed() -> None:
    folder, temporary, imports = call(functions.place)
    other, _, _ = call(functions.place)
    assert folder == temporary
    assert folder != other
    assert not folder.exists()
    # What is unpacked there must never be imported.
    assert str(folder) not in imports
    assert "" not in imports


def test_there_is_no_network_where_the_host_allows_that() -> None:
    allowed = subprocess.run([sys.executable, "-c", UNSHARE], check=False).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert functions.can_connect(port)
        assert call(functions.can_connect, port) is not allowed


def test_prints_do_not_damage_the_answer() -> None:
    assert call(functions.chatter, 10) == 1


def test_much_noise_neither_blocks_nor_piles_up() -> None:
    assert call(functions.chatter, 10_000) == 1  # 12 MB


@pytest.mark.parametrize(
    "text",
    [
        '{"result": "not a number"}\n',
        '{"result": [1, 2]}\n',
        '{"something": "else"}\n',
        '{"progress": "much"}\n',
        '{"progress": [NaN, "x"]}\n',
        '{"progress": [1e999, "x"]}\n',
        "7\n",
        "no JSON\n",
        "[" * 100_000 + "\n",
        '{"result": ' + "9" * 10_000 + "}\n",
    ],
)
def test_an_answer_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(SandboxFailure) as caught:
        call(functions.answer_for_itself, text)
    assert caught.value.kind == "error"


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "MAX_ANSWER_BYTES", 2**20)
    with pytest.raises(SandboxFailure) as caught:
        call(functions.answer_without_end)
    assert caught.value.kind == "error"
