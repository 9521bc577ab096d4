import numpy as np
import onnx
import pytest
from onnx import parser

from core.measurement.feeds import build_feeds
from core.measurement.synthetic import make_samples
from core.records import BadInput, Deployment
from core.sandbox import load_inputs, open_session


def write(folder, inputs, body):
    text = f'<ir_version: 9, opset_import: ["" : 17]> model ({inputs}) => (float[n] y) {{ {body} }}'
    onnx.save(parser.parse_model(text), folder / "model.onnx")
    return folder / "model.onnx"


def test_samples_fit_the_inputs(tmp_path):
    model = write(
        tmp_path,
        "int64[n, t] ids, bool[n, t] mask, float[n, 3, h, 64] image, float16[n, f] half",
        "y = Constant <value_floats = [1.0]> ()",
    )
    prepared = make_samples(model, Deployment(batch_size=2), tmp_path / "samples", seed=0)
    inputs = load_inputs(prepared)
    assert {name: array.shape[1:] for name, array in inputs.items()} == {
        "ids": (128,),
        "mask": (128,),
        "image": (3, 224, 64),
        "half": (128,),
    }
    assert set(np.unique(inputs["ids"])) == {0, 1}
    assert inputs["image"].std() == pytest.approx(1.0, abs=0.05)
    feeds = build_feeds(open_session(model, Deployment()), prepared, Deployment(batch_size=2))
    assert feeds[0]["ids"].shape == (2, 128)
    assert feeds[0]["half"].dtype == np.float16
    again = make_samples(model, Deployment(batch_size=2), tmp_path / "again", seed=0)
    assert np.array_equal(load_inputs(again)["image"], inputs["image"])
    assert [finding.code for finding in prepared.profile.findings] == ["synthetic"]


@pytest.mark.parametrize("inputs", ["string[n, 1] text", "float temperature"])
def test_inputs_that_cannot_be_made_up(tmp_path, inputs):
    model = write(tmp_path, inputs, "y = Constant <value_floats = [1.0]> ()")
    with pytest.raises(BadInput, match="give data with --data"):
        make_samples(model, Deployment(), tmp_path / "samples", seed=0)
