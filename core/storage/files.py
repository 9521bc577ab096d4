"""The store: files by the SHA-256 of their content, in a folder or a bucket, through fsspec."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from core.storage.stored import StoredFile

_CHUNK = 1 << 20


class Files:
    """Content-addressed files: the same bytes are kept once, and are never changed.

    Args:
        url: A folder, or any URL that fsspec knows (``s3://bucket/prefix``).
    """

    def __init__(self, url: str) -> None:
        self._system, self._root = fsspec.core.url_to_fs(url)
        self._local = isinstance(self._system, LocalFileSystem)

    def put(self, source: Path | BinaryIO, name: str) -> StoredFile:
        """Keeps a file, in pieces: it is never whole in memory.

        Args:
            source: A file, or a stream that is read to its end.
            name: What it is called where it comes from; not part of its address.
        """
        with self._staging() as staged:
            digest, size = hashlib.sha256(), 0
            with staged.open("wb") as target, _reading(source) as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    target.write(chunk)
            sha256 = digest.hexdigest()
            address = self._address(sha256)
            if self._local:
                # Also when it is there already: a fresh copy is not taken for a forgotten one.
                Path(address).parent.mkdir(parents=True, exist_ok=True)
                staged.chmod(0o444)
                staged.replace(address)
            else:
                self._system.put_file(str(staged), address)
        return StoredFile(name=name, sha256=sha256, size_bytes=size)

    def exists(self, sha256: str) -> bool:
        """Says whether the store has this content."""
        return bool(self._system.exists(self._address(sha256)))

    def open(self, sha256: str) -> BinaryIO:
        """Opens a file to read.

        Raises:
            FileNotFoundError: The store does not have it.
        """
        return cast(BinaryIO, self._system.open(self._address(sha256), "rb"))

    def fetch(self, sha256: str, to: Path) -> None:
        """Copies a file out of the store; at ``to`` it appears whole or not at all.

        Always a copy: onnx and onnxruntime refuse external data that has a second hard link.

        Raises:
            FileNotFoundError: The store does not have it.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(to.name + ".part")
        self._system.get_file(self._address(sha256), str(part))
        part.chmod(0o644)
        part.replace(to)

    def older_than(self, age: timedelta) -> Iterator[str]:
        """The SHA-256 of each file that was put longer ago than this."""
        before = datetime.now(UTC) - age
        for address in self._system.find(self._root):
            if _utc(self._system.modified(address)) < before:
                yield address.rsplit("/", 1)[-1]

    def delete(self, sha256: str) -> None:
        """Removes a file; it is no error if it is gone."""
        try:
            self._system.rm_file(self._address(sha256))
        except FileNotFoundError:
            return

    def _address(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """A local file for the bytes while they have no name; on the store's disk if it can be."""
        folder = None
        if self._local:
            # Where "incoming-..." would have its address: purging finds what a crash left.
            folder = Path(self._address("incoming-")).parent
            folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix="incoming-", dir=folder)
        os.close(handle)
        try:
            yield Path(path)
        finally:
            Path(path).unlink(missing_ok=True)


@contextmanager
def _reading(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream
    else:
        yield source


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
