"""Latency, cold start, memory, and the machine they were measured on."""

from __future__ import annotations

from core.measurement.cold_start import measure_cold_starts
from core.measurement.compare import Comparison, compare
from core.measurement.latency import LatencyResult, measure_latency
from core.measurement.lock import machine_lock
from core.measurement.machine import fingerprint
from core.measurement.memory import measure_peak_rss
from core.measurement.ranking import rank_speed
from core.measurement.sweep import measure_sweep

__all__ = [
    "Comparison",
    "LatencyResult",
    "compare",
    "fingerprint",
    "machine_lock",
    "measure_cold_starts",
    "measure_latency",
    "measure_peak_rss",
    "measure_sweep",
    "rank_speed",
]
