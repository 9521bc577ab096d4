"""Rewrites of the FP32 graph that compute the same and lose less, or run faster, in INT8."""
