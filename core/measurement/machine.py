"""The fingerprint of the machine that measures: a verdict is valid for its like only."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import replace
from pathlib import Path

import psutil

from core.measurement.cgroup import cpu_quota
from core.measurement.cores import available_cores
from core.measurement.processor import read_processor
from core.records import Deployment, Finding, Machine
from core.sandbox import session_options

DECISIVE_FLAGS = (
    # x86: vector width, conversion from half precision, 8-bit and 16-bit dot products, tiles.
    *("sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl"),
    *("avx512_vnni", "avx_vnni", "avx_vnni_int8", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),
    # ARM: the same (Linux kernel documentation, arch/arm64/elf_hwcaps).
    *("asimd", "asimdhp", "fphp", "asimddp", "i8mm", "bf16", "sve", "sve2", "svei8mm", "sme"),
)
"""Flags that decide which types are fast, as Linux names them, in this order."""

_VNNI = {"avx512_vnni", "avx_vnni"}
_X86 = {"x86_64", "AMD64", "i386", "i686"}
_SLOW_GOVERNORS = {"powersave", "ondemand", "conservative"}
_LIBRARIES = ("onnxruntime", "onnx", "numpy")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def fingerprint(deployment: Deployment) -> Machine:
    """Describes this machine as far as it decides what a measurement finds.

    Systems other than Linux tell less; what is unknown is empty or ``None``.
    """
    cpu_model, flags = read_processor()
    machine = Machine(
        cpu_model=cpu_model,
        architecture=platform.machine(),
        flags=tuple(flag for flag in DECISIVE_FLAGS if flag in flags),
        cores=len(available_cores()),
        cpu_quota=cpu_quota(),
        governor=_read(_GOVERNOR),
        ram_bytes=psutil.virtual_memory().total,
        os=_system(),
        libraries={
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
        session_options=session_options(deployment),
    )
    return replace(
        machine,
        findings=find(machine, deployment, known=bool(flags), virtual="hypervisor" in flags),
    )


def find(
    machine: Machine, deployment: Deployment, *, known: bool, virtual: bool
) -> tuple[Finding, ...]:
    """Says what about a machine changes or disturbs a measurement.

    Args:
        machine: Its fingerprint.
        deployment: How the model is served.
        known: Whether the system told the processor's flags.
        virtual: Whether the processor belongs to a hypervisor.
    """
    quota, threads = machine.cpu_quota, deployment.threads
    findings = []
    if not known:
        findings.append(
            _warn(
                "flags_unknown",
                "This system does not say which instructions its processor has, so the types of "
                "INT8 models are chosen from its architecture alone.",
            )
        )
    elif machine.architecture in _X86 and not _VNNI & set(machine.flags):
        findings.append(
            Finding(
                severity="info",
                code="no_vnni",
                sentence="This processor has no VNNI instructions: INT8 gains less here than on "
                "servers that have them, so measure on one of those if that is where the model "
                "will run.",
            )
        )
    if threads > machine.cores:
        findings.append(
            _warn(
                "too_few_cores",
                f"The deployment uses {threads} threads, but only {machine.cores} cores are "
                "available here, so latency here is not latency there.",
            )
        )
    if quota is not None and quota < threads:
        findings.append(
            _warn(
                "cpu_quota",
                f"A container limit leaves {quota:g} cores' worth of time to {threads} threads, so "
                "runs are stopped halfway; raise the limit or ask for fewer threads.",
            )
        )
    if machine.governor in _SLOW_GOVERNORS:
        findings.append(
            _warn(
                "governor",
                f'The frequency governor "{machine.governor}" lets the processor slow down between '
                'runs; set it to "performance" for steadier timings.',
            )
        )
    if virtual:
        findings.append(
            Finding(
                severity="info",
                code="virtual_machine",
                sentence="This is a virtual machine: other guests of its host may disturb timings; "
                "the baseline timed against itself shows how much.",
            )
        )
    return tuple(findings)


def _warn(code: str, sentence: str) -> Finding:
    return Finding(severity="warning", code=code, sentence=sentence)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _system() -> str:
    if platform.system() == "Linux":
        try:
            name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        except OSError:
            name = "Linux"
        return f"{name}, kernel {platform.release()}"
    return platform.platform()
