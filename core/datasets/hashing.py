"""SHA-256 of files, and of folders as ``sha256sum`` sees them."""

from __future__ import annotations

from hashlib import file_digest, sha256
from pathlib import Path


def hash_dataset(path: Path) -> str:
    """SHA-256 of a dataset.

    A file's own. A folder's is that of the lines ``digest  path`` of its files in the order of
    their paths, hidden files and all: what ``sha256sum`` prints for them.
    """
    if path.is_file():
        return hash_file(path)
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*"))
    lines = [f"{hash_file(file)}  {name}\n" for name, file in files if file.is_file()]
    return sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
