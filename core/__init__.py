"""Measure First's engine: from an ONNX file and labelled samples to a verdict."""
