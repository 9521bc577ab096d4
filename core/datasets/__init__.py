"""Untrusted archive to dataset: readers by kind, preprocessing, splits, leakage.

The functions that read a dataset belong into the sandbox (:func:`core.sandbox.call`); the
presets are plain data.
"""

from core.datasets.prepare import prepare, prepare_calibration
from core.datasets.presets import PRESETS, PresetInfo, applicable_presets, preset_for
from core.datasets.preview import PreviewSample, preview
from core.datasets.profile import profile_dataset

__all__ = [
    "PRESETS",
    "PresetInfo",
    "PreviewSample",
    "applicable_presets",
    "prepare",
    "prepare_calibration",
    "preset_for",
    "preview",
    "profile_dataset",
]
