from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.datasets.readers import open_source, read_images
from core.records import BadInput

GREY = np.zeros((4, 4), dtype=np.uint8)


@pytest.fixture
def read(tmp_path: Path):
    def reader(path: Path):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return read_images(open_source(path, scratch))

    return reader


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_folder_and_zip_hold_the_same(digits: Path, tmp_path: Path, read, zip_folder):
    unpacked = read(digits)
    packed = read(zip_folder(digits, tmp_path / "digits.zip"))
    assert unpacked.kind == packed.kind == "class_folders"
    assert [unpacked.name(i) for i in range(300)] == [packed.name(i) for i in range(300)]
    assert unpacked.labels == packed.labels
    assert set(unpacked.labels) == set("0123456789")


def test_what_a_dataset_is_does_not_depend_on_its_name(digits, tmp_path, read, zip_folder):
    assert len(read(zip_folder(digits, tmp_path / "4fd2")).files) == 300


@pytest.mark.parametrize("wrap", ["", "val", "data/photos/val"])
def test_wrapping_folders_hidden_files_and_notes_are_passed_over(data, wrap, read, save):
    for label in ("cat", "dog"):
        save(GREY, data / wrap / label / "deep" / "1.png")
        save(GREY, data / wrap / label / ".hidden.png")
        save(GREY, data / ".thumbs" / label / "1.png")
    (data / "README.txt").write_text("About these pictures.")
    (data / "classes.txt").write_text("dog\ncat\n\n")
    images = read(data)
    assert images.labels == ("cat", "dog")
    assert [images.name(i) for i in range(2)] == ["cat/deep/1.png", "dog/deep/1.png"]
    assert images.listed_classes == ("dog", "cat")


def test_a_single_class_folder_is_a_class(data, read, save):
    save(GREY, data / "cat" / "1.png")
    assert read(data).labels == ("cat",)


def test_pictures_beside_the_class_folders_are_told(data, read, save):
    save(GREY, data / "cat" / "1.png")
    save(GREY, data / "stray.png")
    images = read(data)
    assert images.labels == ("cat",)
    assert "not used: 1" in images.findings[0].sentence


def test_training_and_validation_together_are_refused(data, read, save):
    for part in ("train", "val"):
        save(GREY, data / part / "cat" / "1.png")
    with pytest.raises(BadInput, match="folders train, val"):
        read(data)


def test_pictures_without_labels_are_one_sentence(data, read, save):
    save(GREY, data / "1.png")
    with pytest.raises(BadInput, match="have no labels"):
        read(data)


@pytest.mark.parametrize(
    "header",
    [
        "file,label",
        "Image;Class",
        "path\ty",
        "label,filename",
        "\ufefffile,label",
        "id,name,target",
    ],
)
def test_labels_csv_in_many_dialects(data, header, read, save):
    delimiter = next(mark for mark in ";\t," if mark in header)
    columns = header.lstrip("\ufeff").lower().split(delimiter)
    rows = []
    for number, label in enumerate(["cat", "dog", "cat"]):
        save(GREY, data / "images" / f"{number}.png")
        named = {"label": label, "class": label, "y": label, "target": label, "id": "7"}
        rows.append(delimiter.join(named.get(c, f"images/{number}.png") for c in columns))
    (data / "labels.csv").write_text("\n".join([header, *rows, "", ""]), encoding="utf-8")
    images = read(data)
    assert images.kind == "labels_csv"
    assert images.labels == ("cat", "dog", "cat")
    assert images.findings == ()


def test_bare_names_backslashes_quotes_and_unlabelled_pictures(data, read, save):
    for name in ("a/1.png", "a/2.png", "b/2.png", "b/3, large.png", "b/4.png"):
        save(GREY, data / name)
    (data / "labels.csv").write_text(
        'file,label\n1.png,cat\na\\2.png,dog\n./b/2.png,cat\n"b/3, large.png",dog\n'
    )
    images = read(data)
    assert dict(zip([images.name(i) for i in range(4)], images.labels, strict=True)) == {
        "a/1.png": "cat",
        "a/2.png": "dog",
        "b/2.png": "cat",
        "b/3, large.png": "dog",
    }
    assert "not used: 1" in images.findings[0].sentence


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("file,label\n1.png,cat\nx.png,dog\ny.png,dog\n", r"not there \(2\): x.png, y.png;"),
        ("file,label\n../../etc/passwd,cat\n", r"not there \(1\): ../../etc/passwd;"),
        ("file,label\n2.png,cat\n", "not there"),  # two folders have a 2.png
        ("file,label\n1.png,cat\n1.png,dog\n", "gives 1.png two labels, cat and dog"),
        ("file,label\n1.png,\n", "no label in line 2"),
        ("file,label\n1.png\n", "no label in line 2"),
        ("1.png,cat\n", "no column file"),
        ("file,breed\n1.png,cat\n", "no column label"),
        ("", "no column file"),
        ("file,label\n" + "x" * 200_000 + ",cat\n", "not a readable table"),
        ("file,label\n1.png,caf\udce9\n", "not UTF-8"),
    ],
)
def test_a_faulty_table_is_one_sentence(data, table, words, read, save):
    for name in ("a/1.png", "a/2.png", "b/2.png"):
        save(GREY, data / name)
    (data / "labels.csv").write_text(table, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(BadInput, match=words) as error:
        read(data)
    assert len(str(error.value)) < 400


def test_several_tables_need_a_name(data, read, save):
    save(GREY, data / "1.png")
    for name in ("one.csv", "two.csv"):
        (data / name).write_text("file,label\n1.png,cat\n")
    with pytest.raises(BadInput, match="several tables"):
        read(data)
    shutil.move(data / "one.csv", data / "LABELS.csv")
    assert read(data).labels == ("cat",)


def test_what_is_no_dataset_is_one_sentence(tmp_path: Path, read, zip_folder):
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "text.zip").write_text("not a zip at all")
    (tmp_path / "void").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.pdf").write_bytes(b"%PDF")
    for name, words in {
        "empty.zip": "empty.zip is empty",
        "text.zip": "no dataset that can be read",
        "void": "holds no files",
        "missing": "no dataset missing",
        "notes": "no pictures or arrays, only files of the kinds .pdf",
    }.items():
        with pytest.raises(BadInput, match=words):
            read(tmp_path / name)
    with pytest.raises(BadInput, match="no files"):
        read(zip_folder(tmp_path / "void", tmp_path / "void.zip"))


def test_names_are_shortened_and_made_printable(data, read, save):
    save(GREY, data / "1.png")
    (data / "labels.csv").write_text(f"file,label\n\x1b[31m{'long' * 100}.png,cat\n")
    with pytest.raises(BadInput) as error:
        read(data)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200
