"""onnxruntime sessions as the deployment asks for them, and its errors in plain words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.records import BadInput, Deployment

if TYPE_CHECKING:  # onnxruntime costs 0.2 s, and not every child needs it
    import onnxruntime

PROVIDER = "CPUExecutionProvider"
_FATAL = 4
_REASON_CHARACTERS = 200


def session_options(deployment: Deployment) -> dict[str, str]:
    """Returns the options every session of the deployment has, for the machine's fingerprint."""
    options = {
        "provider": PROVIDER,
        "intra_op_num_threads": str(deployment.threads),
        "inter_op_num_threads": "1",
        "execution_mode": "sequential",
        "graph_optimization_level": "all",
    }
    if deployment.threads > 1:
        # Threads that go on spinning after a run would disturb the next model's.
        options["session.force_spinning_stop"] = "1"
    return options


def open_session(
    path: Path, deployment: Deployment, what: str = "The model cannot be loaded"
) -> onnxruntime.InferenceSession:
    """Loads a model as the deployment serves it.

    Args:
        path: The ``.onnx`` file.
        deployment: Decides the session's options.
        what: Start of the sentence where onnxruntime refuses it.

    Raises:
        BadInput: onnxruntime refuses it.
        MemoryError: It does not fit.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = deployment.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    for key, value in session_options(deployment).items():
        if key.startswith("session."):
            options.add_session_config_entry(key, value)
    with model_errors(what):
        return onnxruntime.InferenceSession(path, options, providers=[PROVIDER])


@contextlib.contextmanager
def model_errors(what: str) -> Iterator[None]:
    """Turns what onnxruntime raises in a ``with`` block into one sentence.

    Args:
        what: The sentence's start, such as ``"The model cannot be run"``.

    Raises:
        BadInput: With ``what`` and onnxruntime's :func:`short_reason`.
        MemoryError: An allocation failed.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    try:
        yield
    except (
        RuntimeError,  # a C++ exception that onnxruntime did not foresee
        UnicodeDecodeError,  # its message quotes a damaged file
        native.EPFail,
        native.EngineError,
        native.Fail,
        native.InvalidArgument,
        native.InvalidGraph,
        native.InvalidProtobuf,
        native.ModelRequiresCompilation,
        native.NoModel,
        native.NoSuchFile,
        native.NotFound,
        native.NotImplemented,
        native.RuntimeException,
    ) as error:
        reason = short_reason(error)
        if "allocate memory" in reason or "bad alloc" in reason or "bad_alloc" in reason:
            raise MemoryError(reason) from error
        message = f'{what}: onnxruntime says "{reason}".'
        raise BadInput(message) from error


_READ_CHARACTERS = 2_000
# "[ONNXRuntimeError] : 1 : FAIL : "
_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
# "Load model from /some/where.onnx failed:" and "Load model /some/where.onnx failed. "
_LOADING = re.compile(r"Load model (?:from )?\S.*? failed[:.] ?")
# "Non-zero status code returned while running Add node. Name:'a' Status Message: "
_RUNNING = re.compile(
    r"Non-zero status code returned while running (\S+) node\. Name:'(.*?)'\s*(?:Status Message:)?"
)
# A source file with its line, and after it the function: its whole signature, or its name.
_SOURCE = re.compile(
    r"(?:/[\w./-]+|\b\w+)\.(?:h|hpp|cc|cpp):\d+ "
    r"(?:[^()]*?\w::\S+\([^()]*\)(?: const)?(?: \[with [^\]]*\])?|\w+) "
)
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^/\s\"':]+/)+")


def short_reason(error: BaseException) -> str:
    """Returns onnxruntime's reason alone: no error code, folder, C++ file or function.

    One line of at most 200 characters, without a full stop at its end.
    """
    text = str(error)[:_READ_CHARACTERS]
    text = _CODE.sub("", text)
    text = _LOADING.sub("", text)
    text = _RUNNING.sub(_node, text)
    text = _SOURCE.sub(" ", text)
    text = _FOLDERS.sub("", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(text) > _REASON_CHARACTERS:
        text = text[: _REASON_CHARACTERS - 1] + "…"
    return text.rstrip(". ")


def _node(running: re.Match[str]) -> str:
    kind, name = running.groups()
    return f"{kind} node '{name}': " if name else f"a {kind} node: "
