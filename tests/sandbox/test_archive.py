from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.records import BadInput
from core.sandbox import ArchiveLimits, safe_unpack

MIB = 2**20
NOISE = np.random.default_rng(0).bytes(MIB)


def _zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _zip_entry(path: Path, change: Callable[[zipfile.ZipInfo], None]) -> Path:
    """A zip of one odd entry beside a plain one."""
    entry = zipfile.ZipInfo("odd")
    change(entry)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("plain.txt", b"plain")
        archive.writestr(entry, b"plain.txt")
    return path


def _refusal(archive: Path, limits: ArchiveLimits | None = None) -> str:
    """The sentence with which an archive is refused before anything of it is written."""
    folder = archive.parent / "unpacked"
    with pytest.raises(BadInput) as caught:
        safe_unpack(archive, folder, limits or ArchiveLimits())
    assert not list(folder.rglob("*"))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert sentence.isprintable()
    return sentence


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    files = {
        "data/cat/1.png": bytes(range(256)) * 9_000,
        "data/Katze ä/2.png": b"",
        "./labels.csv": b"file,label\n",
    }
    archive = _zip(tmp_path / "a.zip", files)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.mkdir("data/empty")

    paths = safe_unpack(archive, tmp_path / "out")

    assert paths == sorted(tmp_path / "out" / name for name in files)
    assert {path.relative_to(tmp_path / "out"): path.read_bytes() for path in paths} == {
        Path(name): content for name, content in files.items()
    }


def test_what_systems_add_is_left_out(tmp_path: Path) -> None:
    archive = _zip(
        tmp_path / "a.zip",
        {
            "m.onnx": b"x",
            "__MACOSX/._m.onnx": b"x",
            ".DS_Store": b"x",
            "d/.DS_Store": b"x",
            "d/._f": b"x",
            "d/Thumbs.db": b"x",
        },
    )
    assert safe_unpack(archive, tmp_path / "out") == [tmp_path / "out/m.onnx"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../out.txt", "leads out"),
        ("a/../../out.txt", "leads out"),
        ("a/..", "leads out"),
        ("/etc/passwd", "absolute"),
        ("//host/share", "absolute"),
        ("C:/out.txt", "absolute"),
        ("c:out.txt", "absolute"),
        ("..\\out.txt", "backslash"),
        ("a\\b.txt", "backslash"),
        ("a\nb.txt", "control characters"),
        ("x" * 300, "too long"),
        ("ä" * 130, "too long"),
        ("d/" * 600 + "f", "too long"),
    ],
)
def test_harmful_names_are_refused(tmp_path: Path, name: str, words: str) -> None:
    sentence = _refusal(_zip(tmp_path / "a.zip", {"plain.txt": b"x", name: b"x"}))
    assert words in sentence
    assert len(sentence) < 250
    assert [path.name for path in tmp_path.iterdir() if path.name != "unpacked"] == ["a.zip"]


def test_a_name_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"good.txt~evil": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"good.txt~evil", b"good.txt\0evil"))
    assert "control characters" in _refusal(archive)


def _link(entry: zipfile.ZipInfo) -> None:
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16


def _pipe(entry: zipfile.ZipInfo) -> None:
    entry.external_attr = (stat.S_IFIFO | 0o666) << 16


def _lzma(entry: zipfile.ZipInfo) -> None:
    entry.compress_type = zipfile.ZIP_LZMA


@pytest.mark.parametrize(
    ("change", "words"), [(_link, "is a link"), (_pipe, "neither"), (_lzma, "with a method")]
)
def test_odd_entries_are_refused(
    tmp_path: Path, change: Callable[[zipfile.ZipInfo], None], words: str
) -> None:
    sentence = _refusal(_zip_entry(tmp_path / "a.zip", change))
    assert words in sentence
    assert "'odd'" in sentence


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"a.txt": b"x"}, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flags in the list of files
    archive.write_bytes(content)
    assert "encrypted" in _refusal(archive)


@pytest.mark.parametrize("second", ["a.txt", "A.TXT", "./a.txt"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path: Path, second: str) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.txt", b"1")
        opened.writestr(second, b"2")
    assert "twice" in _refusal(archive)


def test_names_that_only_unicode_tells_apart_are_refused(tmp_path: Path) -> None:
    assert "twice" in _refusal(_zip(tmp_path / "a.zip", {"\u00e9": b"", "e\u0301": b""}))


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    assert "both" in _refusal(_zip(tmp_path / "a.zip", {"a/b": b"1", "A": b"2"}))


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    assert "no files" in _refusal(_zip(tmp_path / "a.zip", {}))
    assert "no files" in _refusal(_zip(tmp_path / "b.zip", {".DS_Store": b"x", "folder/": b""}))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x1f\x8b" + bytes(100)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert "not a zip" in _refusal(tmp_path / "a.zip")


def test_a_zip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"a.bin": NOISE[:10_000]})
    archive.write_bytes(archive.read_bytes()[:5_000])
    assert "cut off" in _refusal(archive)


def test_a_damaged_file_is_told_by_its_name(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"a.bin": NOISE[:10_000]})
    content = bytearray(archive.read_bytes())
    content[5_000] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(BadInput, match=r"damaged: 'a\.bin'"):
        safe_unpack(archive, tmp_path / "out")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"bomb": bytes(110 * MIB)})
    assert "200 times its own size" in _refusal(archive)


def test_small_files_may_shrink_well(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"zeros.npy": bytes(8 * MIB)})
    assert safe_unpack(archive, tmp_path / "out")[0].stat().st_size == 8 * MIB


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (ArchiveLimits(entries=2), "3 entries, and at most 2"),
        (ArchiveLimits(file_bytes=MIB - 1), "one file"),
        (ArchiveLimits(total_bytes=3 * MIB - 1), "unpacks to more"),
    ],
)
def test_limits_hold(tmp_path: Path, limits: ArchiveLimits, words: str) -> None:
    archive = _zip(tmp_path / "a.zip", dict.fromkeys("abc", NOISE))
    assert words in _refusal(archive, limits)


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    # As in Fifield, "A better zip bomb" (WOOT 2019): many entries, one stretch of data.
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a", bytes(MIB))
        for name in "bc":
            opened.writestr(name, bytes(MIB))
        for entry in opened.infolist():
            entry.header_offset = 0
    with pytest.raises(BadInput, match="damaged"):
        safe_unpack(archive, tmp_path / "out")


def test_a_size_that_is_a_lie_does_not_help(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"a": bytes(3 * MIB)})
    content = bytearray(archive.read_bytes())
    listed = content.index(b"PK\x01\x02")
    content[listed + 24 : listed + 28] = (100).to_bytes(4, "little")  # the size it declares
    archive.write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        safe_unpack(archive, tmp_path / "out", ArchiveLimits(total_bytes=MIB))
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 100


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_damage_leads_to_anything_but_a_sentence(tmp_path: Path) -> None:
    files = {"a/b.txt": b"some text " * 50, "c.bin": bytes(300), "d.bin": b"d"}
    original = _zip(tmp_path / "a.zip", files).read_bytes()
    chance = np.random.default_rng(20)
    sentences = set()
    for number in range(400):
        content = bytearray(original)
        for place in chance.integers(len(content), size=chance.integers(1, 5)):
            content[place] = chance.integers(256)
        archive = tmp_path / f"{number}.zip"
        archive.write_bytes(content)
        folder = tmp_path / f"out{number}"
        try:
            paths = safe_unpack(archive, folder)
        except BadInput as refused:
            sentences.add(str(refused))
        else:
            assert all(path.resolve().is_relative_to(folder) for path in paths)
    assert len(sentences) > 10
    assert all(sentence.startswith("The ") and sentence.endswith(".") for sentence in sentences)
