"""Untrusted file -> model profile. Runs inside the sandbox; trusts nothing it reads."""

from __future__ import annotations

from core.intake.locate import locate_model, model_files
from core.intake.profile import profile_model

__all__ = ["locate_model", "model_files", "profile_model"]
