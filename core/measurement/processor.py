"""What the system says about the processor: its name and its instruction sets."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_FLAG_FIELDS = ("flags", "Features")  # x86, ARM

# What macOS calls the instruction sets, and Linux's names for them.
_DARWIN_FLAGS = {
    "hw.optional.AdvSIMD": "asimd",
    "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_DotProd": "asimddp",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.fma": "fma",
    "hw.optional.f16c": "f16c",
    "hw.optional.avx512f": "avx512f",
}


def read_processor(cpuinfo: Path = _CPUINFO) -> tuple[str, frozenset[str]]:
    """Returns the processor's name and all its flags in Linux's words.

    Without ``/proc/cpuinfo``, from ``sysctl`` on macOS; elsewhere there are no flags.
    """
    try:
        text = cpuinfo.read_text()
    except OSError:
        return _ask_sysctl()
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = frozenset(" ".join(fields.get(name, "") for name in _FLAG_FIELDS).split())
    # ARM kernels give no name there, only numbers, which lscpu knows.
    return fields.get("model name") or _name_from_lscpu() or _plain_name(), flags


def _ask_sysctl() -> tuple[str, frozenset[str]]:
    names = ("machdep.cpu.brand_string", *_DARWIN_FLAGS)
    answers = dict(
        line.split(": ", 1) for line in _output("sysctl", *names).splitlines() if ": " in line
    )
    flags = frozenset(flag for name, flag in _DARWIN_FLAGS.items() if answers.get(name) == "1")
    return answers.get("machdep.cpu.brand_string") or _plain_name(), flags


def _name_from_lscpu() -> str:
    for line in _output("lscpu").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Model name":
            return value.strip()
    return ""


def _plain_name() -> str:
    return platform.processor() or platform.machine()


def _output(*command: str) -> str:
    """Returns what a command prints, or nothing where there is no such command."""
    if shutil.which(command[0]) is None:
        return ""
    # Its exit status says nothing here: sysctl fails if it does not know one of the names.
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout
