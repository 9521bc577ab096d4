"""Measure First's engine: from an ONNX file and labelled samples to a verdict."""

import os

# onnxruntime sends usage data to its makers unless it is told not to before it is imported;
# what a team does with its models is its own affair.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
