"""What lasts: evaluations in a database, their files by content in a folder or a bucket."""

from core.storage.drafts import create_draft, update_draft
from core.storage.evaluations import get_evaluation, list_evaluations
from core.storage.removal import delete_evaluation, purge, restore_evaluation
from core.storage.settings import Settings
from core.storage.sign_offs import sign_off
from core.storage.storage import Storage, open_storage
from core.storage.stored import (
    Decision,
    EvaluationStatus,
    EvaluationSummary,
    SignOff,
    StoredEvaluation,
    StoredFile,
)

__all__ = [
    "Decision",
    "EvaluationStatus",
    "EvaluationSummary",
    "Settings",
    "SignOff",
    "Storage",
    "StoredEvaluation",
    "StoredFile",
    "create_draft",
    "delete_evaluation",
    "get_evaluation",
    "list_evaluations",
    "open_storage",
    "purge",
    "restore_evaluation",
    "sign_off",
    "update_draft",
]
