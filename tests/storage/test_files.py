import hashlib
import io
import os
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from core.storage.files import Files

CONTENT = b"a model" * 1000


@pytest.fixture(params=["local", "remote"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    # fsspec's memory file system stands for a bucket: no rename, no folders, no local paths.
    if request.param == "local":
        return Files(str(tmp_path / "store"))
    return Files(f"memory://{tmp_path.name}")


def test_what_is_put_can_be_read_and_fetched(files: Files, tmp_path: Path) -> None:
    stored = files.put(io.BytesIO(CONTENT), "model.onnx")
    files.fetch(stored.sha256, tmp_path / "work" / "model.onnx")

    assert stored.name == "model.onnx"
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert stored.size_bytes == len(CONTENT)
    assert files.exists(stored.sha256)
    with files.open(stored.sha256) as stream:
        assert stream.read() == CONTENT
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["model.onnx"]
    assert (tmp_path / "work" / "model.onnx").read_bytes() == CONTENT


def test_a_fetched_file_is_a_file_of_its_own(tmp_path: Path) -> None:
    # onnxruntime refuses external data with a second hard link.
    files = Files(str(tmp_path / "store"))
    stored = files.put(io.BytesIO(CONTENT), "model.onnx.data")

    files.fetch(stored.sha256, tmp_path / "model.onnx.data")
    (tmp_path / "model.onnx.data").write_bytes(b"changed")

    assert (tmp_path / "model.onnx.data").stat().st_nlink == 1
    with files.open(stored.sha256) as stream:
        assert stream.read() == CONTENT


def test_the_same_bytes_are_kept_once(files: Files, tmp_path: Path) -> None:
    (tmp_path / "b.onnx").write_bytes(CONTENT)

    first = files.put(io.BytesIO(CONTENT), "a.onnx")
    second = files.put(tmp_path / "b.onnx", "b.onnx")

    assert first.sha256 == second.sha256
    assert len(list(files.older_than(timedelta(seconds=-60)))) == 1


def test_two_may_put_the_same_bytes_at_once(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "store"))
    barrier = Barrier(4)

    def put() -> None:
        barrier.wait()
        files.put(io.BytesIO(CONTENT), "model.onnx")

    threads = [Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(files.older_than(timedelta(seconds=-60))) == [hashlib.sha256(CONTENT).hexdigest()]


def test_a_big_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    big = tmp_path / "big.onnx"
    with big.open("wb") as stream:
        stream.truncate(300_000_000)
    files = Files(str(tmp_path / "store"))

    tracemalloc.start()
    stored = files.put(big, "big.onnx")
    files.fetch(stored.sha256, tmp_path / "out.onnx")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert stored.size_bytes == 300_000_000
    assert peak < 10_000_000


class Broken(io.RawIOBase):
    """A connection that breaks after the first piece."""

    def __init__(self) -> None:
        self.pieces = [b"x" * 1000]

    def read(self, size: int = -1) -> bytes:
        if not self.pieces:
            raise ConnectionResetError
        return self.pieces.pop()


def test_a_broken_upload_leaves_nothing(files: Files) -> None:
    with pytest.raises(ConnectionResetError):
        files.put(Broken(), "model.onnx")  # type: ignore[arg-type]

    assert list(files.older_than(timedelta(seconds=-60))) == []


def test_old_files_are_found_and_deleted_and_a_new_copy_makes_them_young(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "store"))
    sha256 = files.put(io.BytesIO(CONTENT), "model.onnx").sha256
    left_by_crash = tmp_path / "store" / "in" / "incoming-x"
    left_by_crash.write_bytes(b"half")
    for path in (tmp_path / "store" / sha256[:2] / sha256, left_by_crash):
        os.utime(path, (time.time() - 7200,) * 2)

    assert set(files.older_than(timedelta(hours=1))) == {sha256, "incoming-x"}
    files.put(io.BytesIO(CONTENT), "again.onnx")
    assert list(files.older_than(timedelta(hours=1))) == ["incoming-x"]

    files.delete("incoming-x")
    files.delete(sha256)
    files.delete(sha256)
    assert not files.exists(sha256)
    assert not left_by_crash.exists()


def test_what_is_not_there_cannot_be_fetched(files: Files, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.fetch("0" * 64, tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        files.open("0" * 64)

    assert not (tmp_path / "out").exists()
