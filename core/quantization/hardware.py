"""Which integer types a CPU multiplies fast and without wrong sums.

Types follow the CPU's flags, not its product name. On x86 onnxruntime's kernels multiply
unsigned activations with signed weights. Without VNNI they do so with ``vpmaddubsw``, whose
16-bit sums saturate: ``255 * 127 * 2`` does not fit. Weights of 7 bits do
(``reduce_range``). Source: onnxruntime's `quantization guide
<https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html>`_, and the test
of this module, which multiplies the largest values on the machine at hand.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from core.records import IntegerType

_ARM = frozenset({"aarch64", "arm64"})
_WIDE_SUMS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


@dataclass(frozen=True, slots=True)
class IntegerTypes:
    """Types of activations and weights, and whether weights keep to 7 bits."""

    activation: IntegerType
    weight: IntegerType
    reduce_range: bool


def static_types(flags: Collection[str], architecture: str) -> IntegerTypes:
    """Types for static quantization: U8/S8 on x86, S8/S8 on ARM.

    Args:
        flags: The CPU's flags, as Linux names them.
        architecture: ``x86_64``, ``aarch64`` ...
    """
    if architecture.lower() in _ARM:
        return IntegerTypes("int8", "int8", reduce_range=False)
    return IntegerTypes("uint8", "int8", reduce_range=_WIDE_SUMS.isdisjoint(flags))


def dynamic_types(flags: Collection[str], architecture: str, *, convolutions: bool) -> IntegerTypes:
    """Types for dynamic quantization, whose activations are always unsigned.

    Args:
        flags: The CPU's flags, as Linux names them.
        architecture: ``x86_64``, ``aarch64`` ...
        convolutions: Whether ``Conv`` nodes are among those quantized. onnxruntime's
            ``ConvInteger`` is fast with unsigned weights only: with signed ones it falls back to
            a plain loop (3 times slower on EfficientNetV2-S). Its sums of unsigned products are
            exact on every CPU, so these weights keep all 8 bits.
    """
    if convolutions:
        return IntegerTypes("uint8", "uint8", reduce_range=False)
    return IntegerTypes(
        "uint8", "int8", reduce_range=static_types(flags, architecture).reduce_range
    )
