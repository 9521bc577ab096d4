"""Unpacks an uploaded zip without trusting anything it says about itself."""

from __future__ import annotations

import contextlib
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from core.records import BadInput

_CHUNK_BYTES = 1024**2
_ENCRYPTED = 0x1  # general purpose bit 0; APPNOTE.TXT, 4.4.4
_FIRST_BYTES = b"PK\x03\x04"
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_LITTER_FOLDER = "__MACOSX"
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}
_PART_BYTES = 255  # of one part of a path, on every common file system
_PATH_BYTES = 1_000
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """What an archive may hold."""

    entries: int = 100_000
    total_bytes: int = 4 * 1024**3
    file_bytes: int = 2 * 1024**3
    ratio: float = 200.0
    """Bytes unpacked over the bytes of the archive (deflate can reach 1,032)."""
    ratio_from_bytes: int = 100 * 1024**2
    """With fewer bytes unpacked, any ratio will do."""


DEFAULT_LIMITS = ArchiveLimits()


def safe_unpack(archive: Path, folder: Path, limits: ArchiveLimits = DEFAULT_LIMITS) -> list[Path]:
    """Unpacks the files of a zip, without what macOS and Windows add to it.

    Every entry is judged before the first byte is written; sizes are then counted again while
    reading, whatever the archive declares. When an entry proves bad halfway, the files before
    it stay where they are. Empty folders are not made.

    Args:
        archive: The zip.
        folder: Where its files go: new or empty.
        limits: What the archive may hold.

    Returns:
        The unpacked files, sorted.

    Raises:
        BadInput: It is not a zip, damaged, encrypted, too large, empty, or holds anything but
            plain files at harmless paths.
    """
    packed = archive.stat().st_size
    with _opened(archive) as source:
        entries = source.infolist()
        if len(entries) > limits.entries:
            raise BadInput(
                f"The zip holds {len(entries):,} entries, and at most {limits.entries:,} can be "
                "read; use fewer files."
            )
        judged = [(entry, _judge(entry)) for entry in entries if not _is_litter(entry)]
        files = [(entry, path) for entry, path in judged if not entry.is_dir()]
        if not files:
            raise BadInput("The zip holds no files; zip the folder again.")
        _refuse_clashes([path for _, path in files])
        total = 0
        for entry, _ in files:
            total += entry.file_size
            _refuse_large(entry, entry.file_size, total, packed, limits)
        total = 0
        for entry, path in files:
            size = 0
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as sink:
                for chunk in _chunks(source, entry):
                    size += len(chunk)
                    total += len(chunk)
                    _refuse_large(entry, size, total, packed, limits)
                    sink.write(chunk)
    return sorted(folder / path for _, path in files)


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    if not zipfile.is_zipfile(archive):
        with archive.open("rb") as file:
            begins_as_zip = file.read(len(_FIRST_BYTES)) == _FIRST_BYTES
        if begins_as_zip:
            raise BadInput("The zip is cut off; upload it again.")
        raise BadInput("The file is not a zip; zip the folder and upload that.")
    with _damage_told("its list of files"):
        source = zipfile.ZipFile(archive)
    with source:
        yield source


@contextlib.contextmanager
def _damage_told(what: str) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,  # checksums, overlaps, headers that contradict the list of files
        zlib.error,
        struct.error,
        EOFError,
        ValueError,  # names that are no text, offsets before the start
        RuntimeError,  # features that zipfile does not have
        OSError,  # offsets that no file can have
    ) as error:
        raise BadInput(f"The zip is damaged: {what} cannot be read; zip it again.") from error


def _chunks(source: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    # Only reading is wrapped: a full disk, met while writing, is not the archive's fault.
    with _damage_told(_shown(entry)):
        stream = source.open(entry)
    with stream:
        while True:
            with _damage_told(_shown(entry)):
                chunk = stream.read(_CHUNK_BYTES)
            if not chunk:
                return
            yield chunk


def _judge(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Returns where an entry goes, relative to the folder, or refuses it."""
    name = entry.orig_filename  # as stored: zipfile cuts ``filename`` at a zero byte
    path = PurePosixPath(name)
    if path.is_absolute() or PureWindowsPath(name).drive:
        raise _refused(entry, "has an absolute path")
    if "\\" in name:
        raise _refused(entry, "has a backslash in its name")
    if ".." in path.parts or not path.parts:
        raise _refused(entry, "has a path that leads out of the zip")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise _refused(entry, "has control characters in its name")
    if len(name.encode()) > _PATH_BYTES or any(len(p.encode()) > _PART_BYTES for p in path.parts):
        raise _refused(entry, "has too long a name")
    mode = entry.external_attr >> 16  # Unix; zero where the archive comes from elsewhere
    if stat.S_ISLNK(mode):
        raise _refused(entry, "is a link")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(entry, "is neither a file nor a folder")
    if entry.flag_bits & _ENCRYPTED:
        raise BadInput(f"The zip is encrypted ({_shown(entry)}); zip it without a password.")
    if entry.compress_type not in _METHODS:
        raise BadInput(
            f"The zip packs {_shown(entry)} with a method that cannot be read here; zip it with "
            "the usual one (deflate)."
        )
    return path


def _refuse_clashes(paths: Sequence[PurePosixPath]) -> None:
    """Refuses two entries that are one file on some file system, and files used as folders."""
    taken: set[str] = set()
    for path in paths:
        folded = _folded(path)
        if folded in taken:
            raise BadInput(
                f"The zip holds {_quoted(str(path))} twice (small and capital letters count as "
                "the same); rename one and zip the folder again."
            )
        taken.add(folded)
    for folder in {parent for path in paths for parent in path.parents}:
        if _folded(folder) in taken:
            raise BadInput(
                f"The zip holds {_quoted(str(folder))} both as a file and as a folder; rename "
                "one and zip the folder again."
            )


def _refuse_large(
    entry: zipfile.ZipInfo, size: int, total: int, packed: int, limits: ArchiveLimits
) -> None:
    if total > limits.ratio_from_bytes and total > limits.ratio * packed:
        raise BadInput(
            f"The zip unpacks to more than {limits.ratio:.0f} times its own size, as harmful ones "
            f"do ({_shown(entry)}); zip only the files that are needed."
        )
    if size > limits.file_bytes:
        raise BadInput(
            f"The zip holds {_shown(entry)} of more than {_gigabytes(limits.file_bytes)}, the "
            "most that one file may have; use a smaller file."
        )
    if total > limits.total_bytes:
        raise BadInput(
            f"The zip unpacks to more than {_gigabytes(limits.total_bytes)}; use fewer or smaller "
            "files."
        )


def _is_litter(entry: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(entry.filename).parts
    # "._name" is what macOS puts beside a file on foreign disks (AppleDouble).
    return _LITTER_FOLDER in parts or any(p in _LITTER or p.startswith("._") for p in parts[-1:])


def _refused(entry: zipfile.ZipInfo, fault: str) -> BadInput:
    return BadInput(f"The zip cannot be used because {_shown(entry)} {fault}; zip the files anew.")


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _shown(entry: zipfile.ZipInfo) -> str:
    return _quoted(entry.orig_filename)


def _quoted(name: str) -> str:
    """Shows a name whatever it holds, its middle left out where it is long."""
    name = "".join(character if character.isprintable() else "?" for character in name)
    if len(name) > _SHOWN_CHARACTERS:
        half = _SHOWN_CHARACTERS // 2
        name = f"{name[:half]}…{name[-half:]}"
    return f"'{name}'"


def _gigabytes(count: int) -> str:
    return f"{count / 1024**3:g} GB"
