"""Pictures in one subfolder per class."""

from __future__ import annotations

from pathlib import Path

from core.datasets.readers.tree import Tree
from core.datasets.samples import Images
from core.datasets.wording import listing
from core.records import BadInput, Finding

_PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


def read_class_folders(tree: Tree, classes: tuple[str, ...] | None) -> Images:
    """Reads pictures whose class is the first folder below the root.

    Args:
        tree: The dataset's files.
        classes: The lines of its ``classes.txt``.

    Raises:
        BadInput: No picture lies in a subfolder, or the subfolders are parts, not classes.
    """
    files: list[Path] = []
    labels: list[str] = []
    beside = 0
    for file in tree.pictures:
        parts = tree.relative(file)
        if len(parts) == 1:
            beside += 1
            continue
        files.append(file)
        labels.append(parts[0])
    if not files:
        raise BadInput(
            "The pictures have no labels: put them into one subfolder per class, or add a "
            "labels.csv with the columns file and label."
        )
    tops = set(labels)
    if len(tops) > 1 and {top.lower() for top in tops} <= _PARTS:
        raise BadInput(
            f"The data holds the folders {listing(sorted(tops))}: give only the folder with "
            "pictures that the model was not trained on, with one subfolder per class in it."
        )
    findings: tuple[Finding, ...] = ()
    if beside:
        findings = (
            Finding(
                severity="info",
                code="unlabelled",
                sentence=f"Pictures outside the class folders are not used: {beside}.",
            ),
        )
    return Images("class_folders", tree.root, tuple(files), tuple(labels), classes, findings)
