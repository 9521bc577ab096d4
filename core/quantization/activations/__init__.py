"""What activations look like on the calibration split, in one streamed pass, and their ranges."""
