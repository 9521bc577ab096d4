from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.records import Policy
from tests.pages.house import ASKED, House, open_page, texts


def number(app: AppTest, label: str):
    return next(field for field in app.number_input if field.label.startswith(label))


def pills(app: AppTest, label: str):
    return next(group for group in app.pills if group.label == label)


def start(app: AppTest):
    return next(button for button in app.button if button.label == "Measure and decide")


def test_says_which_method_suits_and_why(house: House) -> None:
    said = texts(open_page("method", house.draft()))
    assert "Usually right for this model: INT8 static" in said
    assert "This is a convolutional network." in said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"precision": "int8"}, "quantized"),
        ({"precision": "float16"}, "FP16"),
        ({"family": "tree_ensemble"}, "tree"),
    ],
)
def test_says_why_there_is_nothing_to_do(house: House, change: dict[str, str], reason: str) -> None:
    profile = replace(house.measured.model, **change)
    id = house.draft(model_profile=profile)
    said = texts(open_page("method", id))
    assert "There is nothing to quantize here" in said
    assert reason in said


def test_keeps_each_choice_and_the_one_after_it(house: House) -> None:
    id = house.draft()
    app = open_page("method", id)
    for drop in (2.0, 3.0, 0.5):
        number(app, "Largest accuracy drop").set_value(drop).run()
        assert number(app, "Largest accuracy drop").value == drop
        assert house.get(id).request.policy.max_drop_points == drop
    for threads in (2, 3):
        number(app, "Threads").set_value(threads).run()
        assert house.get(id).request.deployment.threads == threads


def test_keeps_the_whole_policy_for_the_next_visitor(house: House) -> None:
    id = house.draft()
    app = open_page("method", id)
    number(app, "Largest accuracy drop").set_value(2.5)
    number(app, "Smallest useful speed-up").set_value(1.5)
    number(app, "Smallest useful size").set_value(40)
    number(app, "Latency target").set_value(8.0)
    number(app, "Bandwidth").set_value(100.0)
    number(app, "Accuracy you expect").set_value(97.0)
    number(app, "Batch size").set_value(4)
    pills(app, "What counts as a gain").unselect("size")
    app.selectbox[0].set_value("thorough")
    app.run()
    assert not app.exception
    expected = Policy(
        max_drop_points=2.5,
        min_speedup=1.5,
        min_size_reduction=0.4,
        latency_target_ms=8.0,
        bandwidth_mbps=100.0,
        gains=("speed",),
    )
    request = house.get(id).request
    assert (request.policy, request.effort) == (expected, "thorough")
    assert request.deployment.batch_size == 4
    assert request.expected_accuracy == 0.97

    again = open_page("method", id)
    assert [field.value for field in again.number_input] == [2.5, 1.5, 40, 8.0, 100.0, 97.0, 1, 4]
    assert again.pills[0].value == ["speed"]
    assert again.selectbox[0].value == "thorough"
    assert house.get(id).request == request


def test_warns_of_dynamic_on_a_cnn_when_it_is_chosen(house: House) -> None:
    id = house.draft()
    app = open_page("method", id)
    app.toggle[0].set_value(False).run()
    pills(app, "Methods").set_value(["int8_static"]).run()
    before = [alert.value for alert in app.warning]
    pills(app, "Methods").set_value(["int8_dynamic", "int8_static"]).run()
    added = [alert.value for alert in app.warning]
    assert len(added) == len(before) + 1
    assert "Dynamic on a CNN is how people conclude" in added[-1]
    assert house.get(id).request.methods == ("int8_dynamic", "int8_static")


def test_nothing_can_be_started_without_a_method(house: House) -> None:
    app = open_page("method", house.draft())
    app.toggle[0].set_value(False).run()
    pills(app, "Methods").set_value([]).run()
    assert [alert.value for alert in app.error] == ["Choose at least one method."]
    assert start(app).disabled


def test_asks_for_at_least_one_gain_and_keeps_the_last(house: House) -> None:
    id = house.draft()
    app = open_page("method", id)
    pills(app, "What counts as a gain").set_value([]).run()
    assert [alert.value for alert in app.error] == ["Choose at least one gain."]
    assert house.get(id).request.policy.gains == ("speed", "size")


def test_says_before_the_run_what_the_data_can_prove(house: House) -> None:
    app = open_page("method", house.draft())
    (now,) = [alert.value for alert in app.info]
    assert now.startswith("665 of your 1,197 samples are kept for the last check")
    number(app, "Largest accuracy drop").set_value(0.05).run()
    assert "they cannot prove a drop below 0.45 points, and you allow 0.05" in app.warning[-1].value
    number(app, "Largest accuracy drop").set_value(5.0).run()
    assert "enough to prove a drop of at most 5.0 points" in app.success[0].value


def test_starts_once_and_then_only_shows(house: House) -> None:
    id = house.draft()
    app = open_page("method", id)
    start(app).click().run()
    assert not app.exception
    assert house.get(id).status == "queued"
    assert "Waiting: number 1 in the queue" in texts(app)

    shown = open_page("method", id)
    assert "what was asked can be seen here, not changed" in texts(shown)
    assert all(field.disabled for field in shown.number_input)
    assert [button.label for button in shown.button] == ["Change it in a copy"]
    shown.button[0].click().run()
    copy = house.get(shown.query_params["id"])
    assert copy.id != id
    assert (copy.status, copy.request) == ("draft", house.get(id).request)


def test_leads_to_the_upload_where_something_is_missing(house: House) -> None:
    id = house.draft(data_files=(), dataset_profile=None)
    app = open_page("method", id)
    assert "The model and the data come first." in texts(app)
    assert "Upload them" in [link.label for link in app.page_link]


def test_offers_every_method_with_what_it_changes(house: House) -> None:
    request = replace(ASKED, methods=("int8_weight_only",))
    app = open_page("method", house.draft(request=request))
    group = pills(app, "Methods")
    assert group.value == ["int8_weight_only"]
    assert group.options == ["FP16", "INT8 dynamic", "INT8 static", "INT8 weight-only"]
    said = texts(app)
    assert "INT8 weight-only: weights are stored in 8 bits, activations stay floats" in said
    assert "INT8 static: weights and activations to 8 bits" in said
