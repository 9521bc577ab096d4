"""The bundled example: a small real CNN that reads handwritten digits, and images it never saw.

``digits.onnx`` is a plain convolutional network (1x32x32 in, 10 logits out) that
:mod:`core.example.train` trained on 600 of scikit-learn's digits; ``digits.zip`` holds the other
1,197 as PNGs in a folder per class. The digits are the test part of "Optical Recognition of
Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository,
doi:10.24432/C50P49, CC BY 4.0), enlarged here from 8x8 to 32x32 pixels.
"""

from pathlib import Path

from core.records import Preprocessing

MODEL_PATH = Path(__file__).with_name("digits.onnx")
"""FP32, symbolic batch, below 1 MB."""

DATA_PATH = Path(__file__).with_name("digits.zip")
"""Class folders ``0`` to ``9`` of grey 32x32 PNGs."""

PREPROCESSING = Preprocessing(
    preset="zero_one",
    color="L",
    height=32,
    width=32,
    fit="stretch",
    interpolation="bilinear",
    scale=1 / 255,
    mean=(0.0,),
    std=(1.0,),
    layout="NCHW",
)
"""What the model was trained with: grey pixels from 0 to 1."""

__all__ = ["DATA_PATH", "MODEL_PATH", "PREPROCESSING"]
