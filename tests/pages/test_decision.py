from dataclasses import replace
from typing import get_args

import pytest
from streamlit.testing.v1 import AppTest

from core.decision import block_costs, explain
from core.records import Evaluation, Outcome
from pages import frame
from tests.pages.house import House, markdown, open_page, texts
from tests.pages.searched import searched


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    return app


def decided(
    house: House, outcome: Outcome, candidate: str | None, result: Evaluation | None = None
) -> Evaluation:
    """The measured evaluation, or another one, with another verdict."""
    result = result or house.measured.result
    verdict = replace(
        result.verdict,
        outcome=outcome,
        candidate=candidate,
        sentence=f"This is the *sentence* of {outcome}.",
        reasons=("The first reason.", "The class 'a*b*' is the second."),
        next_steps=("What comes next.",),
        would_change=("What would change it.",),
    )
    return replace(result, verdict=verdict)


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_says_the_verdict_and_why(house: House, outcome: Outcome) -> None:
    candidate = {"not_worth_it": None, "not_enough_evidence": None}.get(outcome, "int8_static")
    result = decided(house, outcome, candidate)
    app = open_page("decision", house.finished(result=result))
    assert [part.value for part in app.header] == [frame.OUTCOMES[outcome].label]
    kind = {"try_fp16": "info", "not_worth_it": "info", "not_enough_evidence": "warning"}
    (alert,) = app.get(kind.get(outcome, "success"))
    assert alert.value == frame.escaped(result.verdict.sentence)
    assert r"- The class 'a\*b\*' is the second" in markdown(app)
    said = texts(app)
    assert result.verdict.sentence in said
    for sentence in (*result.verdict.reasons, "What comes next.", "What would change it."):
        assert f"- {sentence}" in said
    assert ("The evidence" in said) == (candidate is not None)
    assert ("Your model as it is" in said) == (candidate is None)


def test_the_evidence_is_that_of_the_chosen_candidate(house: House) -> None:
    result = decided(house, "ship", "int8_static")
    app = open_page("decision", house.finished(result=result))
    baseline, chosen = (
        result.candidates[0],
        next(row for row in result.candidates if row.id == "int8_static"),
    )
    shown = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    assert shown == {
        "p50 latency": (
            explain.milliseconds(chosen.latency.p50_ms.value),
            f"was {explain.milliseconds(baseline.latency.p50_ms.value)}",
        ),
        "Speed-up": (
            explain.times(chosen.latency.speedup.ratio),
            explain.speed(chosen.latency.speedup),
        ),
        "Accuracy drop": (
            explain.points(chosen.accuracy.drop_points.value),
            explain.points_range(chosen.accuracy.drop_points),
        ),
        "File size": (
            explain.size(chosen.size_bytes),
            f"was {explain.size(baseline.size_bytes)}",
        ),
        "Cold start": (
            explain.milliseconds(chosen.cold_start_ms.value),
            f"was {explain.milliseconds(baseline.cold_start_ms.value)}",
        ),
    }
    assert f"{chosen.accuracy.samples:,} samples of the {chosen.accuracy.split} split" in texts(app)


def test_without_a_candidate_it_shows_the_baseline(house: House) -> None:
    result = decided(house, "not_worth_it", None)
    app = open_page("decision", house.finished(result=result))
    baseline = result.candidates[0]
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Accuracy"] == explain.percent(baseline.accuracy.value)
    assert shown["p50 latency"] == explain.milliseconds(baseline.latency.p50_ms.value)


def test_offers_the_chosen_model_and_all_files(house: House) -> None:
    app = open_page("decision", house.finished(result=decided(house, "ship", "int8_static")))
    first, *others = [link.proto.label for link in app.get("link_button")]
    assert first.startswith("int8_static.onnx (")
    assert {label.rsplit(" (", 1)[0] for label in others} == {file.name for file in house.outputs()}
    labels = [part.label for part in app.get("download_button")]
    assert labels[:4] == ["Recipe (JSON)", "evaluation.json", "report.html", "report.pdf"]
    made = [row for row in house.measured.result.candidates if row.file is not None]
    assert labels[4:] == ["Recipe (JSON)"] * len(made)


def test_names_the_chosen_recipe_in_words(house: House) -> None:
    result = decided(
        house, "ship", "int8_static_percentile_left12", searched(house.measured.result)
    )
    said = texts(open_page("decision", house.finished(result=result)))
    assert "int8_static_percentile_left12: INT8 static, percentile, 12 nodes in FP32" in said


def test_says_what_single_blocks_cost(house: House) -> None:
    result = decided(house, "ship", "int8_static", searched(house.measured.result))
    said = texts(open_page("decision", house.finished(result=result)))
    for sentence in block_costs.sentences(result.sensitivity):
        assert sentence in said


def test_nothing_is_decided_before_the_end(house: House) -> None:
    app = open_page("decision", house.started())
    assert "There is no verdict yet." in texts(app)
    assert "See how far it is" in [link.label for link in app.page_link]


def test_colleagues_sign_off(house: House) -> None:
    id = house.finished()
    app = press(open_page("decision", id), "Approve")
    assert [alert.value for alert in app.error] == ["Give your name first."]
    assert house.get(id).sign_offs == ()

    app.text_input[0].set_value("Ada *L*")
    app.text_input[1].set_value("<b>fine</b>")
    press(app, "Approve")
    app.text_input[0].set_value("Bob")
    press(app, "Reject")
    assert [(made.who, made.decision, made.note) for made in house.get(id).sign_offs] == [
        ("Ada *L*", "approved", "<b>fine</b>"),
        ("Bob", "rejected", ""),
    ]
    said = markdown(open_page("decision", id))
    assert r":green-badge[Approved] by **Ada \*L\***" in said
    assert r": \<b\>fine\</b\>" in said
    assert ":red-badge[Rejected] by **Bob**" in said
