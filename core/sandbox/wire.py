"""How a function, its arguments and its result cross between parent and child: as JSON.

The function's own annotations say how each value is written and read. The parent is trusted
and the child is not, so a child imports any module-level function its parent names, while the
parent checks all that comes back against the return annotation, and never unpickles anything.
Arrays do not cross: files do, as paths.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from core.records import Report, from_plain, to_plain


def address(function: Callable[..., Any]) -> str:
    """Returns ``module:name``, from which the child imports the function.

    Raises:
        TypeError: It is not a function of an importable module.
    """
    if "<" in function.__qualname__ or function.__module__ == "__main__":
        message = f"{function!r} cannot be imported elsewhere; define it at the top of a module"
        raise TypeError(message)
    return f"{function.__module__}:{function.__qualname__}"


def pack(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Turns arguments into JSON values by name; relative paths are made absolute.

    A parameter named ``report`` is left out: the child fills it in.

    Raises:
        TypeError: The arguments do not fit the function's signature, or it is not annotated.
    """
    signature = inspect.signature(function)
    given = {**kwargs, "report": None} if wants_report(function) else kwargs
    arguments = signature.bind(*args, **given).arguments
    arguments.pop("report", None)
    hints = get_type_hints(function)
    bare = {"return", *arguments} - hints.keys()
    if bare:
        raise TypeError(f"{function.__qualname__} lacks annotations of {', '.join(sorted(bare))}")
    return {name: to_plain(_absolute(value), hints[name]) for name, value in arguments.items()}


def run(function: Callable[..., Any], arguments: Mapping[str, Any], report: Report) -> Any:
    """Runs a function on packed arguments and returns its packed result."""
    hints = get_type_hints(function)
    values = {name: from_plain(hints[name], plain) for name, plain in arguments.items()}
    if wants_report(function):
        values["report"] = report
    return to_plain(function(**values), hints["return"])


def unpack(function: Callable[..., Any], plain: Any) -> Any:
    """Reads a packed result.

    Raises:
        pydantic.ValidationError: It is not what the function says it returns.
    """
    return from_plain(get_type_hints(function)["return"], plain)


def wants_report(function: Callable[..., Any]) -> bool:
    """Tells whether the function reports its progress."""
    return "report" in inspect.signature(function).parameters


def _absolute(value: Any) -> Any:
    # The child works in a folder of its own, where a relative path means another file.
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, dict):
        return {key: _absolute(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_absolute(item) for item in value)
    return value
