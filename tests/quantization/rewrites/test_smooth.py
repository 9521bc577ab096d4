from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from core.datasets import prepare
from core.intake import profile_model
from core.quantization.activations.inner_values import InnerValues
from core.quantization.calibration import CalibrationSamples
from core.quantization.graph import Graph
from core.quantization.int8_static import to_int8_static
from core.quantization.preprocess import preprocess
from core.quantization.rewrites.smooth import channel_maxima, norm_outputs, smooth
from core.records import BadInput, PreparedData, Recipe
from core.sandbox import load_inputs
from tests.quantization.digits import GraphBuilder

FIXTURES = Path(__file__).parents[2] / "fixtures"
WIDTH = 12


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    profile = profile_model(FIXTURES / "transformer_digits.onnx")
    folder = tmp_path_factory.mktemp("tokens")
    return prepare(FIXTURES / "tokens.npz", profile, None, folder, 0)


@pytest.fixture
def transformer() -> onnx.ModelProto:
    return preprocess(FIXTURES / "transformer_digits.onnx")


def samples(prepared: PreparedData, count: int = 40) -> CalibrationSamples:
    return CalibrationSamples(prepared, count, 1, 0, lambda _fraction, _words: None)


def smoothed(model: onnx.ModelProto, prepared: PreparedData, alpha: float) -> onnx.ModelProto:
    return smooth(model, channel_maxima(model, norm_outputs(model), samples(prepared)), alpha)


def answers(model: onnx.ModelProto, prepared: PreparedData) -> np.ndarray:
    feeds = {name: values[:100] for name, values in load_inputs(prepared, "search").items()}
    result: np.ndarray = InnerValues(model, ["logits"]).run(feeds)["logits"]
    return result


def with_outliers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Makes a few channels behind each norm 60 times as large, as real transformers have them.

    Every reader but the residual path gets the same from weights that are as much smaller; what
    the residual path adds is divided first, so that the model computes the same.
    """
    graph = Graph(model)
    for node in list(model.graph.node):
        if node.op_type != "LayerNormalization":
            continue
        factors = np.ones(64, np.float32)
        factors[[3, 40]] = 60
        output = node.output[0]
        for name in list(node.input[1:]):
            scaled = numpy_helper.to_array(graph.constants[name]) * factors
            graph.constants[name].CopyFrom(numpy_helper.from_array(scaled, name))
        for reader in graph.consumers[output]:
            if reader.op_type == "MatMul":
                name = reader.input[1]
                scaled = numpy_helper.to_array(graph.constants[name]) / factors[:, None]
                graph.constants[name].CopyFrom(numpy_helper.from_array(scaled, name))
                continue
            restored = f"{output}_for_{reader.name}"
            model.graph.initializer.append(numpy_helper.from_array(1 / factors, f"{restored}_by"))
            position = list(model.graph.node).index(reader)
            model.graph.node.insert(
                position, onnx.helper.make_node("Mul", [output, f"{restored}_by"], [restored])
            )
            reader.input[list(reader.input).index(output)] = restored
    return preprocess_again(model)


def preprocess_again(model: onnx.ModelProto) -> onnx.ModelProto:
    onnx.save(model, "outliers.onnx")
    return preprocess(Path("outliers.onnx"))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_a_transformer_answers_as_before(
    transformer: onnx.ModelProto, prepared: PreparedData, alpha: float
) -> None:
    model = smoothed(transformer, prepared, alpha)
    assert model != transformer
    np.testing.assert_allclose(
        answers(model, prepared), answers(transformer, prepared), rtol=1e-4, atol=1e-4
    )


def test_int8_survives_channels_that_are_much_larger_than_the_rest(
    transformer: onnx.ModelProto, prepared: PreparedData, tmp_path: Path
) -> None:
    recipe = Recipe(id="static", method="int8_static", op_types=("MatMul", "Gemm"))
    expected = answers(transformer, prepared)
    model = with_outliers(transformer)
    np.testing.assert_allclose(answers(model, prepared), expected, rtol=1e-3, atol=1e-3)

    def error(model: onnx.ModelProto, name: str) -> float:
        onnx.save(model, tmp_path / name)
        quantized = to_int8_static(tmp_path / name, recipe, samples(prepared), tmp_path)
        return float(np.square(answers(quantized, prepared) - expected).mean())

    rough = error(model, "rough.onnx")
    assert error(smoothed(model, prepared, 0.5), "smooth.onnx") < rough / 10


def test_maxima_are_those_of_all_samples(
    transformer: onnx.ModelProto, prepared: PreparedData
) -> None:
    (name, *_) = norm_outputs(transformer)
    maxima = channel_maxima(transformer, [name], samples(prepared, 5))[name]
    tapped = InnerValues(transformer, [name])
    every = [tapped.run(feeds)[name] for feeds in samples(prepared, 5)]
    np.testing.assert_array_equal(maxima, np.abs(np.concatenate(every)).max(axis=(0, 1)))


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    result: np.ndarray = session.run(None, {"x": x})[0]
    return result


def whole(net: GraphBuilder, x: str) -> str:
    scale, bias = net.constant(net.normal(WIDTH)), net.constant(net.normal(WIDTH))
    return net.add("LayerNormalization", x, scale, bias)


def skip(net: GraphBuilder, x: str) -> str:
    scale, bias = net.constant(net.normal(WIDTH)), net.constant(net.normal(WIDTH))
    return net.add(
        "SkipLayerNormalization", x, x, scale, bias, domain="com.microsoft", epsilon=1e-5
    )


def spelled_out(net: GraphBuilder, x: str) -> str:
    axes, two = net.constant(np.array([-1], np.int64)), net.constant(np.array(2, np.float32))
    centred = net.add("Sub", x, net.add("ReduceMean", x, axes))
    variance = net.add("ReduceMean", net.add("Pow", centred, two), axes)
    normal = net.add("Div", centred, net.add("Sqrt", variance))
    scaled = net.add("Mul", net.constant(net.normal(WIDTH)), normal)
    return net.add("Add", scaled, net.constant(net.normal(WIDTH)))


@pytest.mark.parametrize("norm", [whole, skip, spelled_out])
@pytest.mark.parametrize("residual", [True, False])
def test_divides_in_the_norm_itself_unless_something_else_reads_it(
    norm: Callable[[GraphBuilder, str], str], residual: bool
) -> None:
    net = GraphBuilder()
    x = norm(net, "x")
    y = net.add("MatMul", x, net.constant(net.normal(WIDTH, WIDTH)))
    z = net.add("Gemm", x, net.constant(net.normal(WIDTH, WIDTH)), transB=1)
    total = net.add("Add", y, net.add("Tanh", x) if residual else z)
    net.add("Add", total, z)
    model = net.model({"x": ["batch", WIDTH]}, net.nodes[-1].output[0], WIDTH)
    (output,) = norm_outputs(model)
    maxima = {output: np.linspace(0, 50, WIDTH, dtype=np.float32)}
    changed = smooth(model, maxima, 0.5)
    assert len(changed.graph.node) == len(model.graph.node) + residual
    x = net.normal(5, WIDTH)
    np.testing.assert_allclose(run(changed, x), run(model, x), rtol=1e-4, atol=1e-4)


def test_products_of_one_norm_share_their_factors_and_weights_of_others_stay() -> None:
    net = GraphBuilder()
    shared = net.constant(net.normal(WIDTH, WIDTH))
    x = whole(net, "x")
    y = net.add("Add", net.add("MatMul", x, shared), net.add("MatMul", "x", shared))
    model = net.model({"x": ["batch", WIDTH]}, y, WIDTH)
    changed = smooth(model, {x: np.full(WIDTH, 9, np.float32)}, 0.5)
    inputs = net.normal(5, WIDTH)
    np.testing.assert_allclose(run(changed, inputs), run(model, inputs), rtol=1e-4, atol=1e-4)


def test_smooths_what_fused_attention_reads() -> None:
    net = GraphBuilder()
    normal = whole(net, "x")
    weights, bias = net.constant(net.normal(WIDTH, 3 * WIDTH)), net.constant(net.normal(3 * WIDTH))
    attended = net.add("Attention", normal, weights, bias, domain="com.microsoft", num_heads=3)
    model = net.model({"x": ["batch", 5, WIDTH]}, attended, WIDTH)
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    changed = smooth(model, {normal: np.linspace(1, 50, WIDTH, dtype=np.float32)}, 0.5)
    assert len(changed.graph.node) == len(model.graph.node)
    inputs = net.normal(2, 5, WIDTH)
    np.testing.assert_allclose(run(changed, inputs), run(model, inputs), rtol=1e-3, atol=1e-3)


def test_says_that_nothing_can_be_smoothed() -> None:
    model = preprocess(FIXTURES / "mlp_digits.onnx")
    with pytest.raises(BadInput, match="nothing to smooth"):
        norm_outputs(model)
