"""The limited child process in which every untrusted byte is parsed and every model runs.

:func:`call` runs a function there; the other names are used by such functions, inside it.
Importing this package stays cheap (no numpy, no onnxruntime): each child does it first.
"""

from __future__ import annotations

from core.sandbox.archive import ArchiveLimits, safe_unpack
from core.sandbox.call import call
from core.sandbox.failure import FailureKind, SandboxFailure
from core.sandbox.limits import Limits, stay_on
from core.sandbox.samples import load_inputs, load_labels, split_slice
from core.sandbox.session import model_errors, open_session, session_options, short_reason

__all__ = [
    "ArchiveLimits",
    "FailureKind",
    "Limits",
    "SandboxFailure",
    "call",
    "load_inputs",
    "load_labels",
    "model_errors",
    "open_session",
    "safe_unpack",
    "session_options",
    "short_reason",
    "split_slice",
    "stay_on",
]
