"""evaluation.json as scripts and CI gates read it: a real one, against the published contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from core.records import Evaluation, from_json, from_plain, to_json, to_plain
from tests.command import Run

SCHEMA = json.loads(Path(__file__).with_name("evaluation.schema.json").read_text(encoding="utf-8"))
Document = dict[str, Any]


@pytest.fixture
def document(example_run: Run) -> Document:
    loaded: Document = json.loads((example_run.out / "evaluation.json").read_bytes())
    return loaded


def check(document: Document) -> None:
    Draft202012Validator(SCHEMA).validate(document)


def broken_promises(document: Document) -> Iterator[str]:
    """What a consumer relies on beyond the schema, and is not so."""
    candidates = {candidate["id"]: candidate for candidate in document["candidates"]}
    verdict, policy, dataset = document["verdict"], document["policy"], document["dataset"]
    if len(candidates) != len(document["candidates"]):
        yield "ids are unique"
    if sum(dataset["splits"].values()) != dataset["samples"]:
        yield "splits sum to samples"
    if sum(dataset["class_counts"]) != dataset["samples"]:
        yield "classes sum to samples"
    for candidate in candidates.values():
        latency, accuracy = candidate["latency"], candidate["accuracy"]
        if latency and (latency["p99_ms"] is None) != (latency["runs"] < 500):
            yield "p99 is there from 500 runs on"
        for interval in (latency["p50_ms"], latency["p90_ms"]) if latency else ():
            if not interval["low"] <= interval["value"] <= interval["high"]:
                yield "intervals hold their value"
        if accuracy and accuracy["samples"] != sum(
            dataset["splits"][split] for split in accuracy["split"].split("+")
        ):
            yield "accuracy is of all samples of its split"
    chosen = verdict["candidate"]
    if chosen is None:
        return
    if chosen not in candidates or chosen == "baseline":
        yield "the verdict's candidate is a candidate"
        return
    accuracy, latency = candidates[chosen]["accuracy"], candidates[chosen]["latency"]
    if verdict["outcome"] in ("ship", "ship_for_size", "quantize_selectively"):
        if "confirm" not in accuracy["split"]:
            yield "what ships was confirmed"
        if accuracy["drop_points"]["high"] > policy["max_drop_points"]:
            yield "what ships is accurate"
        if any(
            draw["value"] > policy["max_drop_points"]
            for draw in candidates[chosen]["calibration_draws"]
        ):
            yield "what ships does not depend on the draw of its calibration samples"
        if not document["aa_check"]["passed"]:
            yield "what ships was measured on a quiet machine"
    for_speed = verdict["outcome"] in ("ship", "quantize_selectively")
    if for_speed and latency["speedup"]["low"] <= policy["min_speedup"]:
        yield "what ships for its speed is fast"


def test_a_real_evaluation_fits_the_schema_and_keeps_its_promises(document: Document) -> None:
    check(document)
    assert list(broken_promises(document)) == []


def test_records_and_text_are_the_same(example_run: Run, document: Document) -> None:
    evaluation = example_run.evaluation

    assert from_json(Evaluation, to_json(evaluation)) == evaluation
    assert from_plain(Evaluation, to_plain(evaluation)) == evaluation
    assert to_plain(evaluation) == document
    assert to_json(evaluation) + "\n" == (example_run.out / "evaluation.json").read_text("utf-8")


def test_later_versions_may_add_keys(document: Document) -> None:
    document["note"] = "new"
    document["candidates"][1]["energy_joules"] = {"value": 3.0}
    check(document)


def _set(*path: str | int, to: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("schema", to=2),
        _set("created", to="yesterday"),
        _set("model", "family", to="vision"),
        _set("model", "sha256", to="abc"),
        _set("dataset", "splits", "confirm", to=-1),
        _set("candidates", to=[]),
        _set("candidates", 0, "id", to="original"),
        _set("candidates", 0, "status", to="failed"),
        _set("candidates", 1, "id", to="baseline"),
        _set("candidates", 1, "recipe", "method", to="int4"),
        _set("candidates", 1, "status", to="failed"),
        _set("candidates", 1, "file", to="../models/float16.onnx"),
        _set("candidates", 1, "latency", "p50_ms", "value", to=-1.0),
        _set("candidates", 1, "accuracy", "value", to=99.4),
        _set("verdict", "outcome", to="maybe"),
        _set("verdict", "sentence", to="Ship it"),
        _set("verdict", to={"outcome": "ship"}),
        _drop("candidates", 1, "latency", "p99_ms"),
        _drop("aa_check", "passed"),
        _drop("policy", "max_drop_points"),
        _drop("machine", "flags"),
    ],
)
def test_the_schema_refuses_what_it_does_not_promise(
    document: Document, change: Callable[[Document], None]
) -> None:
    change(document)
    with pytest.raises(ValidationError):
        check(document)


def test_a_verdict_names_a_candidate_exactly_where_there_is_one_to_take(document: Document) -> None:
    document["verdict"] |= {"outcome": "ship", "candidate": None}
    with pytest.raises(ValidationError):
        check(document)
    document["verdict"] |= {"outcome": "not_worth_it", "candidate": "float16"}
    with pytest.raises(ValidationError):
        check(document)


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("splits sum to samples", _set("dataset", "samples", to=5)),
        ("p99 is there from 500 runs on", _set("candidates", 0, "latency", "runs", to=500)),
        ("the verdict's candidate is a candidate", _set("verdict", "candidate", to="int4")),
        ("ids are unique", _set("candidates", 1, "id", to="int8_static")),
        (
            "accuracy is of all samples of its split",
            _set("candidates", 0, "accuracy", "samples", to=7),
        ),
    ],
)
def test_a_broken_promise_is_noticed(
    document: Document, promise: str, change: Callable[[Document], None]
) -> None:
    change(document)
    assert promise in broken_promises(document)


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("what ships was confirmed", _set("accuracy", "split", to="search")),
        ("what ships is accurate", _set("accuracy", "drop_points", "high", to=1.01)),
        ("what ships for its speed is fast", _set("latency", "speedup", "low", to=1.1)),
    ],
)
def test_a_broken_promise_about_what_ships_is_noticed(
    document: Document, promise: str, change: Callable[[Document], None]
) -> None:
    document["verdict"] |= {"outcome": "ship", "candidate": "int8_static"}
    (chosen,) = (row for row in document["candidates"] if row["id"] == "int8_static")
    change(chosen)
    assert promise in broken_promises(document)
