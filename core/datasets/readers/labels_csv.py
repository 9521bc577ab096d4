"""Pictures with a table that names the label of each."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from core.datasets.readers.tree import Tree
from core.datasets.samples import Images
from core.datasets.wording import listing, shown
from core.records import BadInput, Finding

FILE_COLUMNS = ("file", "filename", "file_name", "image", "image_name", "path", "filepath", "name")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "y", "target", "category")
_DELIMITERS = ",;\t|"


def read_labels_csv(tree: Tree, table: Path, classes: tuple[str, ...] | None) -> Images:
    """Reads the pictures that a table labels.

    The table has a header with a column of :data:`FILE_COLUMNS` and one of
    :data:`LABEL_COLUMNS`; it is separated by whichever of comma, semicolon, tab and bar its
    header has most of. A file is named by its path from the table's folder, or by its bare
    name if only one file has it.

    Raises:
        BadInput: The table cannot be read, names files that are not there, or labels a file
            twice in different ways.
    """
    by_name = _index(tree, table)
    labels: dict[Path, str] = {}
    missing: list[str] = []
    for line, (name, label) in enumerate(_rows(table), start=2):
        if not label:
            raise BadInput(f"{shown(table.name)} gives no label in line {line}: fill it in.")
        file = by_name.get(name.replace("\\", "/").removeprefix("./"))
        if file is None:
            missing.append(name)
        elif labels.setdefault(file, label) != label:
            raise BadInput(
                f"{shown(table.name)} gives {shown(name)} two labels, {shown(labels[file])} and "
                f"{shown(label)}: keep one."
            )
    if missing:
        raise BadInput(
            f"{shown(table.name)} names files that are not there ({len(missing)}): "
            f"{listing(missing)}; name each picture by its path from the table's folder."
        )
    files = tuple(sorted(labels))
    unused = len(tree.pictures) - len(files)
    findings: tuple[Finding, ...] = ()
    if unused > 0:
        findings = (
            Finding(
                severity="info",
                code="unlabelled",
                sentence=f"Pictures without a row in {shown(table.name)} are not used: {unused}.",
            ),
        )
    given = tuple(labels[file] for file in files)
    return Images("labels_csv", tree.root, files, given, classes, findings)


def _index(tree: Tree, table: Path) -> dict[str, Path]:
    """Files by path and, where it is unique, by bare name; rows can name nothing else."""
    bare: dict[str, Path | None] = {}
    for file in tree.pictures:
        bare[file.name] = None if file.name in bare else file
    unique = {name: file for name, file in bare.items() if file is not None}
    paths = {file.relative_to(table.parent).as_posix(): file for file in tree.pictures}
    return unique | paths


def _rows(table: Path) -> Iterator[tuple[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            stream.seek(0)
            rows = csv.reader(stream, delimiter=max(_DELIMITERS, key=header.count))
            names = [name.strip().lower() for name in next(rows, [])]
            file_column = _column(table, names, FILE_COLUMNS)
            label_column = _column(table, names, LABEL_COLUMNS)
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                row += [""] * (len(names) - len(row))
                yield row[file_column].strip(), row[label_column].strip()
    except UnicodeDecodeError:
        raise BadInput(
            f"{shown(table.name)} is not UTF-8 text: save it again as CSV in UTF-8."
        ) from None
    except csv.Error as error:
        raise BadInput(f"{shown(table.name)} is not a readable table: {error}.") from None


def _column(table: Path, header: list[str], wanted: tuple[str, ...]) -> int:
    for name in wanted:
        if name in header:
            return header.index(name)
    raise BadInput(
        f"{shown(table.name)} has no column {wanted[0]} (or {', '.join(wanted[1:])}): its first "
        "line must name the columns file and label, and it reads "
        f"{listing(header, 5) or 'nothing'}."
    )
