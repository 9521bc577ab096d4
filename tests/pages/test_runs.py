import json

from streamlit.testing.v1 import AppTest

from core.decision import explain
from core.records import Progress, StepProgress
from core.storage import lifecycle
from tests.pages.house import House, open_page, texts


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    return app


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
    table = app.dataframe[0].value.set_index("candidate")
    assert list(table.index) == [candidate.id for candidate in result.candidates]
    assert list(table.index)[:4] == ["baseline", "float16", "int8_dynamic", "int8_static"]
    for candidate in result.candidates:
        row = table.loc[candidate.id]
        latency, drop = candidate.latency, candidate.search_accuracy.drop_points
        assert row["p50"] == explain.milliseconds(latency.p50_ms.value)
        assert row["p99"] == "-"  # the quick effort makes too few runs for one
        assert row["speed-up"] == explain.speed_short(latency.speedup)
        assert row["size"].startswith(explain.size(candidate.size_bytes))
        assert row["accuracy"] == explain.percent(candidate.search_accuracy.value)
        assert row["drop"] == explain.points_range(drop)
        assert row["cold start"] == explain.milliseconds(candidate.cold_start_ms.value)
        assert row["memory"] == explain.size(candidate.peak_rss_bytes)
    assert table.loc["baseline", "size"].endswith("(100%)")
    assert table.loc["baseline", "status"] == "baseline"


def test_shows_every_metric_and_every_class(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    metrics = app.dataframe[1].value.set_index("candidate")
    chosen = app.selectbox(key="class-by-class").value
    for candidate in result.candidates:
        accuracy = candidate.accuracy
        if accuracy is None:
            assert candidate.id not in metrics.index
            continue
        row = metrics.loc[candidate.id]
        assert row["samples"] == f"{accuracy.samples:,} {accuracy.split}"
        assert row["right to wrong"] == str(accuracy.right_to_wrong)
        (balanced,) = [m for m in accuracy.metrics if m.metric == "balanced_accuracy"]
        assert row["balanced"].startswith(explain.percent(balanced.value))
        (top_five,) = [m for m in accuracy.metrics if m.metric == "top5_accuracy"]
        assert row["top 5"].startswith(explain.percent(top_five.value))
    assert chosen in metrics.index
    other = "int8_dynamic"
    app.selectbox(key="class-by-class").select(other).run()
    classes = app.dataframe[2].value
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
    table = app.dataframe[3].value.set_index("candidate")
    for candidate in result.candidates:
        row, cold = table.loc[candidate.id], candidate.cold_start_ms
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
    table = app.dataframe[4].value
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
    assert list(charts) == ["latency", "size", "drop"]
    names = [candidate.id for candidate in result.candidates]
    assert [trace["name"] for trace in charts["latency"]["data"]] == names
    assert charts["size"]["data"][0]["y"] == names
    assert [trace["name"] for trace in charts["drop"]["data"]] == names[1:]


def test_shows_the_machine_and_whether_it_was_quiet(house: House) -> None:
    result = house.measured.result
    app = open_page("runs", house.finished())
    alerts = [*app.success, *app.error]
    (check,) = [part.value for part in alerts if part.value.startswith("A/A check")]
    assert f"{result.aa_check.ratio:.3f}" in check
    assert result.aa_check.passed == ("quiet enough" in check)
    assert result.machine.cpu_model in app.table[0].value.to_string()
