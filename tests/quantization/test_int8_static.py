from pathlib import Path

import numpy as np
import onnx
import pytest

from core.quantization.int8_static import to_int8_static
from core.quantization.preprocess import preprocess
from core.records import Calibration, Recipe
from tests.quantization.activations.test_observe import (
    FIXTURES,
    NeverRead,
    Samples,
    images,
    save,
    token_feeds,
)
from tests.quantization.activations.test_taps import plainly
from tests.quantization.digits import Classifier

CNN = ("Add", "Conv", "Gemm", "GlobalAveragePool", "Mul", "Relu", "Sigmoid")


def recipe(calibration: Calibration = "minmax", op_types: tuple[str, ...] = CNN) -> Recipe:
    return Recipe(
        id="int8_static",
        method="int8_static",
        activation_type="uint8",
        weight_type="int8",
        calibration=calibration,
        op_types=op_types,
    )


def test_every_calibration_from_one_pass_and_each_its_own_model(
    excited: Classifier, tmp_path: Path
) -> None:
    path, seen = save(preprocess(excited.path), tmp_path), tmp_path / "seen"
    feeds = images(20, 1, 16, 16)
    made = {"percentile": to_int8_static(path, recipe("percentile"), Samples(feeds), seen)}
    methods: tuple[Calibration, ...] = ("minmax", "entropy", "mse", "percentile")
    for method in methods:
        again = to_int8_static(path, recipe(method), NeverRead([]), seen)
        if method in made:
            assert again.SerializeToString() == made[method].SerializeToString()
        made[method] = again
    assert len({model.SerializeToString() for model in made.values()}) == 4


def test_equal_samples_make_equal_bytes(excited: Classifier, tmp_path: Path) -> None:
    path = save(preprocess(excited.path), tmp_path)
    first, again = (
        to_int8_static(path, recipe("mse"), Samples(images(9, 1, 16, 16)), tmp_path / folder)
        for folder in ("one", "two")
    )
    assert first.SerializeToString() == again.SerializeToString()


@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_scores_with_an_attention_mask_survive_eight_bits(
    calibration: Calibration, tmp_path: Path
) -> None:
    """Also where the sum of scores and mask is quantized, and the padding stays switched off."""
    path = save(preprocess(FIXTURES / "transformer_digits.onnx"), tmp_path)
    feeds = list(token_feeds(60))
    op_types = ("Add", "MatMul", "Mul", "Softmax")
    quantized = to_int8_static(
        path, recipe(calibration, op_types), Samples(feeds[:40]), tmp_path / "seen"
    )
    original = onnx.load(path)
    errors, signal = [], []
    for feed in feeds[40:]:
        wanted = plainly(original, ["logits"], feed)["logits"]
        errors.append(plainly(quantized, ["logits"], feed)["logits"] - wanted)
        signal.append(wanted)
    assert np.linalg.norm(errors) < 0.05 * np.linalg.norm(signal)
