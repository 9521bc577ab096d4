from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.quantization.sensitivity.measure import (
    costly_nodes,
    faster_as_products,
    measure_blocks,
    slower_nodes,
)
from core.records import (
    BlockCost,
    Deployment,
    ModelProfile,
    Recipe,
    Sensitivity,
    from_json,
    to_json,
)
from tests.fixtures.broken import example_arrays
from tests.quantization.activations.test_observe import FIXTURES
from tests.quantization.digits import SPLITS, Classifier, prepare, run
from tests.quantization.test_make import make, plan

Profiles = Callable[..., ModelProfile]


@pytest.fixture
def trained(tmp_path: Path) -> Classifier:
    """A trained network with side branches, and its data."""
    images, labels = example_arrays()
    order = np.random.default_rng(0).permutation(len(labels))
    prepared = prepare(tmp_path / "trained", images[order], labels[order], "input")
    return Classifier(FIXTURES / "se_cnn_digits.onnx", prepared)


def look(classifier: Classifier, recipe: Recipe, candidate: Path) -> Sensitivity:
    """Makes a candidate and measures its blocks."""
    make(classifier, recipe, candidate)
    return measure_blocks(
        classifier.path,
        candidate,
        recipe,
        classifier.prepared,
        Deployment(),
        seed=0,
        budget_s=10.0,
        report=lambda *_: None,
    )


def loss(classifier: Classifier, recipe: Recipe, left: Iterable[str], folder: Path) -> float:
    """Noise over signal in the logits, about its mean, when these nodes stay in FP32 too."""
    candidate = folder / "selective.onnx"
    make(classifier, replace(recipe, left_in_float=tuple(left)), candidate)
    inputs = np.load(Path(classifier.prepared.folder) / "inputs" / "0.npy")
    inputs = inputs[SPLITS.calibration :][:300]
    before, after = run(classifier.path, inputs), run(candidate, inputs)
    noise = (after - before).var(axis=0, ddof=1).sum()
    return float(noise / np.square(before).sum(axis=1).mean())


def test_leaving_out_what_costs_most_helps_more_than_leaving_out_anything_else(
    trained: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    recipe = plan(trained, profile())["int8_static"]
    sensitivity = look(trained, recipe, tmp_path / "candidate.onnx")
    assert from_json(Sensitivity, to_json(sensitivity)) == sensitivity
    everything = loss(trained, recipe, (), tmp_path)
    total = sum(block.output_error or 0.0 for block in sensitivity.blocks)
    assert everything == pytest.approx(total, rel=1.0)
    nodes = costly_nodes(sensitivity, 0.8)
    chosen = loss(trained, recipe, nodes, tmp_path)
    assert chosen < 0.4 * everything
    count = sum(block.nodes[0] in nodes for block in sensitivity.blocks)
    rng = np.random.default_rng(0)
    for _ in range(5):
        others = rng.choice(len(sensitivity.blocks), count, replace=False)
        left = [node for index in others for node in sensitivity.blocks[index].nodes]
        assert chosen < loss(trained, recipe, left, tmp_path)


def test_what_stays_in_float_has_no_error(
    excited: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    recipe = plan(excited, profile())["int8_static_side_branches"]
    sensitivity = look(excited, recipe, tmp_path / "candidate.onnx")
    assert sensitivity.recipe == recipe.id
    assert sensitivity.samples > 0
    left = set(recipe.left_in_float)
    for block in sensitivity.blocks:
        assert block.float_ms is not None
        assert block.int8_ms is not None
        is_left = left.issuperset(block.nodes)
        assert (block.output_error is None) == is_left
        assert (block.sqnr_db is None) == is_left
    assert not left.intersection(costly_nodes(sensitivity, 1.0))


def block(name: str, error: float | None, float_ms: float, int8_ms: float | None) -> BlockCost:
    return BlockCost(
        name=name,
        op_type="Conv",
        nodes=(name, f"{name}_act"),
        weight_bytes=1,
        sqnr_db=None,
        output_error=error,
        float_ms=float_ms,
        int8_ms=int8_ms,
    )


BLOCKS = Sensitivity(
    recipe="int8_static",
    samples=8,
    blocks=(
        block("stem", 0.2, 1.0, 1.4),
        block("wide", 0.7, 9.0, 4.0),
        block("barely", 0.1, 1.0, 1.04),
        block("tiny", None, 0.001, 0.004),
        block("gone", 0.0, 1.0, None),
    ),
)


def test_the_fewest_blocks_that_cause_a_share() -> None:
    assert costly_nodes(BLOCKS, 0.6) == ("wide", "wide_act")
    assert costly_nodes(BLOCKS, 0.8) == ("wide", "wide_act", "stem", "stem_act")
    assert len(costly_nodes(BLOCKS, 1.0)) == 6
    assert costly_nodes(replace(BLOCKS, blocks=BLOCKS.blocks[3:]), 0.9) == ()


def test_what_is_slower_by_more_than_noise_and_worth_it() -> None:
    assert slower_nodes(BLOCKS) == ("stem", "stem_act")
    mended = tuple(replace(b, im2col_ms=0.8 if b.name == "stem" else None) for b in BLOCKS.blocks)
    assert slower_nodes(replace(BLOCKS, blocks=mended)) == ()


def test_convolutions_are_timed_as_products_too(
    trained: Classifier, profile: Profiles, tmp_path: Path
) -> None:
    recipe = plan(trained, profile())["int8_static"]
    sensitivity = look(trained, recipe, tmp_path / "candidate.onnx")
    for block in sensitivity.blocks:
        assert (block.im2col_ms is not None) == (block.op_type == "Conv")
    assert any(block.op_type == "Conv" for block in sensitivity.blocks)
    chosen = faster_as_products(sensitivity)
    faster = replace(recipe, im2col=chosen or (sensitivity.blocks[0].name,))
    make(trained, faster, tmp_path / "faster.onnx")
    inputs = np.load(Path(trained.prepared.folder) / "inputs" / "0.npy")[:50]
    assert np.array_equal(
        run(tmp_path / "candidate.onnx", inputs), run(tmp_path / "faster.onnx", inputs)
    )
