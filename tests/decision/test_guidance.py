import pytest

from core.decision import guide, method_warning, usual_method
from core.records import OperatorShare
from tests.decision.build import profile


@pytest.mark.parametrize(
    ("family", "method"),
    [
        ("cnn", "int8_static"),
        ("transformer", "int8_dynamic"),
        ("rnn", "int8_dynamic"),
        ("mlp", "int8_dynamic"),
        ("other", "int8_static"),
    ],
)
def test_method_of_the_family(family, method):
    guidance = guide(profile(family))
    assert guidance.method == method == usual_method(profile(family))
    assert any("FP16 is for GPUs" in reason for reason in guidance.reasons)


def test_other_models_go_by_where_the_work_is():
    operators = (OperatorShare(op_type="MatMul", nodes=9, weight_bytes=10, macs=10),)
    assert guide(profile("other", operators=operators)).method == "int8_dynamic"


def test_size_is_predicted_from_the_bytes_that_are_touched():
    reasons = guide(profile()).reasons
    assert "INT8 static would touch 97% of the weight bytes: about 6.1 MB instead of 22.0 MB." in (
        reasons
    )
    assert "FP16 would touch 100% of the weight bytes: about 11.1 MB instead of 22.0 MB." in reasons


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "tree_ensemble"}, "nothing to quantize"),
        ({"precision": "int8"}, "quantized to INT8 already"),
        ({"precision": "float16"}, "FP16 already"),
        (
            {"predicted_size_bytes": {"float16": 21_500_000, "int8_dynamic": 21_800_000}},
            "Hardly any of the file is weights",
        ),
    ],
)
def test_nothing_to_do_says_why(changes, words):
    guidance = guide(profile(**changes))
    assert guidance.method == "none"
    assert words in guidance.reasons[0]
    assert guidance.warnings == ()


def test_nothing_predicted_is_no_reason_to_stop():
    guidance = guide(profile(predicted_size_bytes={}))
    assert guidance.method == "int8_static"
    assert not any("would touch" in reason for reason in guidance.reasons)


def test_dynamic_on_a_cnn_is_warned_of():
    warning = method_warning("int8_dynamic", "cnn")
    assert warning is not None
    assert "how people conclude that quantization doesn't help" in warning
    assert warning in guide(profile()).warnings


@pytest.mark.parametrize(
    ("method", "family", "words"),
    [
        ("int8_static", "transformer", "outliers"),
        ("int8_static", "rnn", "LSTM"),
        ("int8_dynamic", "rnn", "time steps"),
        ("float16", "cnn", "GPUs"),
        ("int8_static", "tree_ensemble", "no weights"),
    ],
)
def test_other_warnings(method, family, words):
    assert words in (method_warning(method, family) or "")


@pytest.mark.parametrize(
    ("method", "family"), [("int8_static", "cnn"), ("int8_dynamic", "transformer"), ("none", "cnn")]
)
def test_what_suits_has_no_warning(method, family):
    assert method_warning(method, family) is None
