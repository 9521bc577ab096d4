"""An evaluation while its request is being put together, page by page."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.records import BadInput, DatasetProfile, ModelProfile, Request, to_plain
from core.storage.database import now
from core.storage.storage import Storage
from core.storage.stored import FileRole, StoredFile
from core.storage.tables import EvaluationRow, FileRow

_ID_LETTERS = "23456789abcdefghijkmnpqrstuvwxyz"  # none that are read for one another
_ID_LENGTH = 16
_LONGEST_NAME = 240  # bytes; file systems allow 255, and a copy under way adds a suffix


def create_draft(
    storage: Storage,
    *,
    name: str,
    created_by: str | None = None,
    machine_class: str = "default",
    example: bool = False,
) -> str:
    """Begins an evaluation.

    Args:
        storage: Where.
        name: For people; need not be unique.
        created_by: Who asks for it, as they signed in; None: nobody has to.
        machine_class: The queue of like machines that it will wait in.
        example: Whether this is the bundled example.

    Returns:
        Its id: short, fit for a link, and not to be guessed (80 random bits).
    """
    id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    with Session(storage.engine) as session, session.begin():
        session.add(
            EvaluationRow(
                id=id,
                name=name,
                status="draft",
                machine_class=machine_class,
                example=example,
                created=now(),
                created_by=created_by,
            )
        )
    return id


def update_draft(
    storage: Storage,
    id: str,
    *,
    name: str | None = None,
    model_files: Sequence[StoredFile] | None = None,
    data_files: Sequence[StoredFile] | None = None,
    model_profile: ModelProfile | None = None,
    dataset_profile: DatasetProfile | None = None,
    request: Request | None = None,
) -> None:
    """Changes what is given of a draft; None leaves a part as it is.

    Other files void the profile that was made of the old ones, unless a new one comes along.

    Raises:
        BadInput: The evaluation is no draft (any more), or a file's name cannot be used.
    """
    values: dict[str, Any] = {"status": "draft"}
    if name is not None:
        values["name"] = name
    if model_files is not None or model_profile is not None:
        values["model_profile"] = _plain(model_profile)
    if data_files is not None or dataset_profile is not None:
        values["dataset_profile"] = _plain(dataset_profile)
    if request is not None:
        values["request"] = to_plain(request)
    with Session(storage.engine) as session, session.begin():
        changed = session.execute(
            update(EvaluationRow)
            .where(EvaluationRow.id == id, EvaluationRow.status == "draft")
            .where(EvaluationRow.deleted.is_(None))
            .values(values)
            .returning(EvaluationRow.id)
        ).first()
        if changed is None:
            raise BadInput("This evaluation can no longer be changed; start a new one.")
        if model_files is not None:
            _replace_files(session, id, "model", model_files)
        if data_files is not None:
            _replace_files(session, id, "data", data_files)


def _plain(profile: ModelProfile | DatasetProfile | None) -> Any:
    return None if profile is None else to_plain(profile)


def _replace_files(session: Session, id: str, role: FileRole, files: Sequence[StoredFile]) -> None:
    if len({file.name for file in files}) < len(files):
        raise BadInput("Two of the files have the same name; rename one of them.")
    for file in files:
        if not _is_plain_name(file.name):
            raise BadInput("A file's name is too long or not a plain file name; rename it.")
    session.query(FileRow).filter_by(evaluation_id=id, role=role).delete()
    session.add_all(file_rows(id, role, files))


def file_rows(id: str, role: FileRole, files: Sequence[StoredFile]) -> list[FileRow]:
    """The rows that tie files to an evaluation, in this order."""
    return [
        FileRow(
            evaluation_id=id,
            role=role,
            name=file.name,
            position=position,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
        )
        for position, file in enumerate(files)
    ]


def _is_plain_name(name: str) -> bool:
    return (
        PurePosixPath(name).name == name
        and name not in ("", "..")
        and name.isprintable()
        and len(name.encode()) <= _LONGEST_NAME
    )
