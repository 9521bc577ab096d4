from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from core.quantization.preprocess import preprocess
from core.quantization.rewrites.residual_norms import part_residual_norms

FIXTURES = Path(__file__).parents[2] / "fixtures"
MODEL = FIXTURES / "transformer_digits.onnx"


def session(model: onnx.ModelProto, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def feeds() -> dict[str, np.ndarray]:
    with np.load(FIXTURES / "tokens.npz") as data:
        return {name: data[name][:32] for name in ("input_ids", "attention_mask")}


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def test_onnxruntime_no_longer_merges_what_is_parted(tmp_path: Path) -> None:
    model = preprocess(MODEL)
    before = session(model, tmp_path / "before.onnx").run(None, feeds())
    assert operators(tmp_path / "before.onnx")["SkipLayerNormalization"] > 0

    part_residual_norms(model)

    after = session(model, tmp_path / "after.onnx").run(None, feeds())
    assert operators(tmp_path / "after.onnx")["SkipLayerNormalization"] == 0
    np.testing.assert_allclose(after[0], before[0], atol=1e-5)


def test_only_residual_additions_before_a_norm_are_touched() -> None:
    model = preprocess(MODEL)
    adds = [node for node in model.graph.node if node.op_type == "Add"]
    part_residual_norms(model)
    sums = [node for node in model.graph.node if node.op_type == "Sum"]
    assert 0 < len(sums) < len(adds)
    constants = {tensor.name for tensor in model.graph.initializer}
    assert all(constants.isdisjoint(node.input) for node in sums)
