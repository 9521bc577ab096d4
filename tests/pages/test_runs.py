import json
from dataclasses import replace

from pandas import DataFrame
from streamlit.testing.v1 import AppTest

from core.decision import block_costs, explain
from core.decision.front import arranged
from core.records import Progress, StepProgress
from core.storage import lifecycle
from tests.pages.house import House, open_page, texts
from tests.pages.searched import searched


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    return app


def table_with(app: AppTest, column: str) -> DataFrame:
    """The one table on the page that has a column."""
    (table,) = [part.value for part in app.dataframe if column in part.value.columns]
    return table


def test_leads_to_the_method_before_the_start(house: House) -> None:
    app = open_page("runs", house.draft())
    assert "This evaluation has not been started." in texts(app)
    assert "Go to the method" in [link.label for link in app.page_link]


def test_shows_how_far_it_is_and_cancels(house: House) -> None:
    id = house.started()
    steps = (
        StepProgress(name="model", title="Read the model", state="done", seconds=2),
        StepProgress(name="baseline", title="Measure the baseline", state="running", seconds=9),
        StepProgress(name="latency", title="Time all of them", state="waiting", seconds=40),
    )
    progress = Progress(
        steps=steps,
        fraction=0.5,
        words="round 3 of 20",
        elapsed_s=31,
        remaining_s=300,
        note="About 1,240 samples would do.",
    )
    lifecycle.publish(house.storage, id, "tests", progress)
    app = open_page("runs", id)
    assert app.progress[0].value == 50
    assert app.progress[0].text == "Measure the baseline (round 3 of 20) - about 5 min left"
    said = texts(app)
    for step in steps:
        assert step.title in said
    assert "31 s so far" in said
    assert progress.note in said
    press(app, "Cancel")
    assert house.get(id).status == "cancelled"
    assert "This evaluation was cancelled." in texts(app)
    press(app, "Change and run again")
    assert house.get(app.query_params["id"]).status == "draft"
    assert app.query_params["id"] != id


def test_says_why_it_failed_and_leads_on(house: House) -> None:
    id = house.started()
    lifecycle.fail(house.storage, id, "The model 'a*b*' needs *more* memory.")
    app = open_page("runs", id)
    assert app.error[0].value == r"The model 'a\*b\*' needs \*more\* memory\."
    press(app, "Change and run again")
    assert house.get(app.query_params["id"]).model_files == house.get(id).model_files


def test_compares_all_candidates(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    table = app.dataframe[0].value.set_index("id")
    timed = [row for row in result.candidates if row.latency is not None]
    assert sorted(table.index) == sorted(row.id for row in timed)
    assert {"baseline", "float16", "int8_dynamic", "int8_static"} <= set(table.index)
    for candidate in timed:
        row = table.loc[candidate.id]
        latency, drop = candidate.latency, candidate.search_accuracy.drop_points
        assert row["candidate"].startswith(explain.recipe_title(candidate.recipe))
        assert row["p50"] == explain.milliseconds(latency.p50_ms.value)
        assert row["p99"] == "-"  # the quick effort makes too few runs for one
        assert row["speed-up"] == explain.speed_short(latency.speedup)
        assert row["size"].startswith(explain.size(candidate.size_bytes))
        assert row["accuracy"] == explain.percent(candidate.search_accuracy.value)
        assert row["drop"] == explain.points_range(drop)
        assert row["cold start"] == explain.milliseconds(candidate.cold_start_ms.value)
        assert row["memory"] == explain.size(candidate.peak_rss_bytes)
    assert table.loc["baseline", "size"].endswith("(100%)")
    assert table.loc["baseline", "standing"][0] == "baseline"


def test_a_long_search_stays_readable_and_hides_nothing(house: House) -> None:
    result = searched(house.measured.result)
    app = open_page("runs", house.finished(result=result))
    timed, given_up = (app.dataframe[n].value for n in range(2))
    shown = [*timed["id"], *given_up["id"]]
    assert sorted(shown) == sorted(row.id for row in result.candidates)
    standings = [list(tags) for tags in timed["standing"]]
    chosen = [tags for tags in standings if "chosen" in tags]
    assert standings[0][0] == "baseline"
    assert len(chosen) == (result.verdict.candidate is not None)
    assert standings[1 : 1 + len(chosen)] == chosen
    on_front = {id for id, tags in zip(timed["id"], standings, strict=True) if "front" in tags}
    assert on_front == set(result.front)
    reasons = given_up.set_index("id")["why"]
    for row in result.candidates:
        if row.latency is None:
            assert reasons[row.id] == row.reason
    label = f"{len(given_up)} recipes given up before being timed in full, and why"
    assert label in [part.label for part in app.expander]


def test_rejected_candidates_come_last_and_the_fast_first(house: House) -> None:
    result = searched(house.measured.result)
    rows = tuple(
        replace(row, status="rejected", reason="It loses too much.")
        if row.id == "int8_static_percentile"
        else row
        for row in result.candidates
    )
    front = ("int8_static_percentile", "int8_static_bias")
    verdict = replace(result.verdict, candidate="int8_static")
    changed = replace(result, candidates=rows, front=front, verdict=verdict)
    first, second, third, *others, last = arranged(changed)
    assert [first.id, second.id, third.id] == ["baseline", "int8_static", "int8_static_bias"]
    assert last.id == "int8_static_percentile"
    speeds = [row.latency.speedup.ratio for row in others]
    assert len(speeds) > 2
    assert speeds == sorted(speeds, reverse=True)


def test_says_the_front_in_words_too(house: House) -> None:
    result = searched(house.measured.result)
    verdict = replace(result.verdict, candidate=result.front[1])
    result = replace(result, verdict=verdict)
    said = texts(open_page("runs", house.finished(result=result)))
    titles = explain.candidate_titles(result.candidates)
    rows = {row.id: row for row in result.candidates}
    lines = [f"- {titles[id]}: {explain.trade_off(rows[id])}" for id in result.front]
    lines[1] = f"- **{titles[result.front[1]]}**: {explain.trade_off(rows[result.front[1]])}"
    places = [said.index(line) for line in lines]
    assert len(places) > 2
    assert places == sorted(places)
    assert f"{lines[1]} :green-badge[chosen]" in said


def test_an_evaluation_from_before_the_front_was_kept_has_one(house: House) -> None:
    result = replace(house.measured.result, front=())
    app = open_page("runs", house.finished(result=result))
    assert any("front" in tags for tags in app.dataframe[0].value["standing"])


def test_shows_the_blocks_from_both_sides(house: House) -> None:
    result = searched(house.measured.result)
    app = open_page("runs", house.finished(result=result))
    said = texts(app)
    for sentence in block_costs.sentences(result.sensitivity):
        assert f"- {sentence}" in said
    charts = {chart.key: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}
    (errors,), (times,) = charts["block-errors"]["data"], charts["block-times"]["data"]
    worst = [block.name for block in block_costs.worst(result.sensitivity)]
    assert errors["y"] == worst[:20]
    assert len(times["y"]) == 20
    assert times["x"] == sorted(times["x"], reverse=True)
    assert times["x"][0] > 0 > times["x"][-1]
    (table,) = [part.value for part in app.dataframe if "error at the output" in part.value.columns]
    assert list(table["block"]) == [block.name for block in result.sensitivity.blocks]


def test_says_where_no_block_was_looked_at(house: House) -> None:
    result = replace(house.measured.result, sensitivity=None)
    app = open_page("runs", house.finished(result=result))
    assert "The blocks were not looked at one by one" in texts(app)
    keys = [chart.key for chart in app.get("plotly_chart")]
    assert not [key for key in keys if key.startswith("block")]


def test_blocks_that_nothing_was_measured_of_are_no_chart(house: House) -> None:
    result = searched(house.measured.result)
    unknown = tuple(
        replace(block, output_error=None, float_ms=None) for block in result.sensitivity.blocks
    )
    result = replace(result, sensitivity=replace(result.sensitivity, blocks=unknown))
    app = open_page("runs", house.finished(result=result))
    keys = [chart.key for chart in app.get("plotly_chart")]
    assert not [key for key in keys if key.startswith("block")]


def test_shows_every_metric_and_every_class(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    titles = explain.candidate_titles(result.candidates)
    metrics = table_with(app, "McNemar p").set_index("candidate")
    chosen = app.selectbox(key="class-by-class").value
    for candidate in result.candidates:
        accuracy = candidate.accuracy
        if accuracy is None:
            assert titles[candidate.id] not in metrics.index
            continue
        row = metrics.loc[titles[candidate.id]]
        assert row["samples"] == f"{accuracy.samples:,} {accuracy.split}"
        assert row["right to wrong"] == str(accuracy.right_to_wrong)
        (balanced,) = [m for m in accuracy.metrics if m.metric == "balanced_accuracy"]
        assert row["balanced"].startswith(explain.percent(balanced.value))
        (top_five,) = [m for m in accuracy.metrics if m.metric == "top5_accuracy"]
        assert row["top 5"].startswith(explain.percent(top_five.value))
    assert titles[chosen] in metrics.index
    other = "int8_dynamic"
    app.selectbox(key="class-by-class").select(other).run()
    classes = table_with(app, "class")
    (row,) = [candidate for candidate in result.candidates if candidate.id == other]
    assert sorted(classes["class"]) == sorted(result.dataset.class_names)
    assert classes["samples"].sum() == row.accuracy.samples
    assert classes["right to wrong"].sum() == row.accuracy.right_to_wrong
    before = {each.label: each.value for each in result.candidates[0].search_accuracy.classes}
    shown = dict(zip(classes["class"], classes["baseline"], strict=True))
    for label, name in enumerate(result.dataset.class_names):
        assert shown[name] == explain.percent(before[label])


def test_shows_the_parts_of_a_cold_start(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    table = table_with(app, "session creation").set_index("candidate")
    titles = explain.candidate_titles(result.candidates)
    timed = [row for row in result.candidates if row.cold_start_ms is not None]
    assert len(table) == len(timed) > 1
    for candidate in timed:
        row, cold = table.loc[titles[candidate.id]], candidate.cold_start_ms
        assert row["session creation"] == explain.milliseconds(cold.session_ms)
        assert row["first run"] == explain.milliseconds(cold.first_run_ms)
        assert row["processes"] == "10"
    assert "download" not in table  # no bandwidth was stated


def test_says_again_whether_the_data_was_enough(house: House) -> None:
    plan = house.measured.result.sample_plan
    assert plan.flips_seen_on == house.measured.dataset.splits.search
    assert explain.sample_plan(plan) in texts(open_page("runs", house.finished()))


def test_shows_other_threads_and_batch_sizes(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    table = table_with(app, "threads")
    assert len(table) == len(result.sweep) > 1
    assert list(table["threads"]).count("1 (as you serve)") == 1
    for (_, row), point in zip(table.iterrows(), result.sweep, strict=True):
        assert row["batch"] == str(point.batch_size)
        p50 = point.p50_ms["baseline"].value
        assert row["baseline, p50"] == explain.milliseconds(p50)


def test_draws_what_was_measured(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    charts = {chart.key: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}
    assert list(charts)[:4] == ["front", "latency", "size", "drop"]
    titles = explain.candidate_titles(result.candidates)
    names = [titles[row.id] for row in arranged(result)]
    assert [trace["name"] for trace in charts["latency"]["data"]] == names
    assert [label.replace("<br>", " ") for label in charts["size"]["data"][0]["y"]] == names
    assert [trace["name"] for trace in charts["drop"]["data"]] == names[1:]


def test_shows_the_machine_and_whether_it_was_quiet(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    alerts = [*app.success, *app.error]
    (check,) = [part.value for part in alerts if part.value.startswith("A/A check")]
    assert f"{result.aa_check.ratio:.3f}" in check
    assert result.aa_check.passed == ("quiet enough" in check)
    assert result.machine.cpu_model in app.table[0].value.to_string()
