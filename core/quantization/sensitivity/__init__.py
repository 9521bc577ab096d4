"""Block by block: what quantization costs in accuracy, and in time."""
