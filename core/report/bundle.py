"""Everything of an evaluation in one zip, to keep or to hand over."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from core.records import Evaluation, to_json
from core.report.html import to_html


def write_bundle(
    target: Path | IO[bytes], evaluation: Evaluation, name: str, files: Iterable[tuple[str, Path]]
) -> None:
    """Writes ``evaluation.json``, ``report.html``, all recipes and the given files into a zip.

    Args:
        target: Path or seekable stream.
        evaluation: With its verdict.
        name: What the team calls it.
        files: Name in the archive and path of each further file, such as the chosen model.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("evaluation.json", to_json(evaluation) + "\n")
        archive.writestr("report.html", to_html(evaluation, name))
        for row in evaluation.candidates:
            if row.recipe.method != "none":
                archive.writestr(f"recipes/{row.id}.json", to_json(row.recipe) + "\n")
        for inside, path in files:
            archive.write(path, inside)
