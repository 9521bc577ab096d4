"""Decisions of colleagues on finished evaluations."""

from __future__ import annotations

from sqlalchemy.orm import Session

from core.records import BadInput
from core.storage.database import now
from core.storage.storage import Storage
from core.storage.stored import Decision, SignOff
from core.storage.tables import EvaluationRow, SignOffRow


def sign_off(storage: Storage, id: str, *, who: str, decision: Decision, note: str) -> SignOff:
    """Records what somebody decided; earlier decisions stay.

    Raises:
        BadInput: The evaluation is not finished.
    """
    made = SignOff(who=who, decision=decision, note=note, created=now())
    with Session(storage.engine) as session, session.begin():
        row = session.get(EvaluationRow, id)
        if row is None or row.status != "finished":
            raise BadInput("Only a finished evaluation can be signed off.")
        row.sign_offs.append(
            SignOffRow(who=who, decision=decision, note=note, created=made.created)
        )
    return made
