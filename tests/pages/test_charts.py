from dataclasses import replace

import pytest

from core.decision import block_costs, explain
from core.records import Estimate, Evaluation, Policy
from pages import block_charts, charts
from tests.pages.house import House
from tests.pages.searched import searched, sensitivity


@pytest.fixture
def result(house: House) -> Evaluation:
    return searched(house.measured.result)


def titles_of(result: Evaluation) -> dict[str, str]:
    return explain.candidate_titles(result.candidates)


def test_the_box_is_the_measured_distribution(result: Evaluation) -> None:
    (row, *_) = result.candidates
    (box,) = charts.latency_figure([row], titles_of(result)).data
    q = row.latency.quantiles_ms
    assert (box.lowerfence[0], box.q1[0], box.median[0], box.q3[0], box.upperfence[0]) == (
        q[1],
        q[25],
        q[50],
        q[75],
        q[99],
    )


def test_the_drop_stands_against_the_allowed_one(result: Evaluation) -> None:
    rows = [row for row in result.candidates if row.latency is not None]
    figure = charts.drop_figure(rows, titles_of(result), Policy(max_drop_points=2.5))
    assert figure.layout.shapes[0].x0 == 2.5
    for trace, row in zip(figure.data, rows[1:], strict=True):
        drop = row.search_accuracy.drop_points
        assert trace.x[0] == drop.value
        assert trace.x[0] + trace.error_x.array[0] == drop.high
        assert trace.x[0] - trace.error_x.arrayminus[0] == drop.low


def test_a_kind_of_recipe_has_one_colour_in_every_chart(result: Evaluation) -> None:
    rows = [row for row in result.candidates if row.latency is not None]
    colours = [charts.color_of(row) for row in rows]
    kinds = {(row.recipe.method, bool(row.recipe.left_in_float)) for row in rows}
    assert len(set(colours)) == len(kinds) > 3
    titles = titles_of(result)
    assert list(charts.size_figure(rows, titles).data[0].marker.color) == colours
    assert [trace.marker.color for trace in charts.latency_figure(rows, titles).data] == colours


def front_traces(result: Evaluation) -> dict[str, object]:
    rows = [row for row in result.candidates if row.latency is not None]
    figure = charts.front_figure(rows, titles_of(result), result.front, result)
    return {trace.name: trace for trace in figure.data}


def test_the_front_is_drawn_from_what_was_measured(result: Evaluation) -> None:
    traces, titles = front_traces(result), titles_of(result)
    for row in result.candidates:
        if row.latency is None:
            assert titles[row.id] not in traces
            continue
        trace = traces[titles[row.id]]
        assert trace.x[0] == row.latency.speedup.ratio
        assert trace.y[0] == row.search_accuracy.drop_points.value
        assert trace.marker.symbol == "circle"
        assert explain.trade_off(row) in trace.hovertemplate
        assert (trace.marker.opacity > 0.5) == (row.id in result.front)
    sizes = {name: trace.marker.size for name, trace in traces.items() if trace.marker.size}
    assert sizes[titles["baseline"]] > sizes[titles["float16"]] > sizes[titles["int8_static"]]
    drops = list(traces["front"].y)
    assert drops == sorted(drops, reverse=True)


def test_the_chosen_candidate_is_ringed(result: Evaluation) -> None:
    (row,) = [row for row in result.candidates if row.id == "int8_static"]
    verdict = replace(result.verdict, candidate=row.id)
    ring = front_traces(replace(result, verdict=verdict))["chosen"]
    assert ring.x[0] == row.latency.speedup.ratio
    assert "chosen" not in front_traces(replace(result, verdict=replace(verdict, candidate=None)))


def test_a_collapsed_candidate_leaves_the_others_their_room(result: Evaluation) -> None:
    fallen = "int8_static_percentile"
    rows = tuple(
        replace(
            row,
            search_accuracy=replace(
                row.search_accuracy, drop_points=Estimate(value=60.0, low=55.0, high=65.0)
            ),
        )
        if row.id == fallen
        else row
        for row in result.candidates
    )
    front = tuple(id for id in result.front if id != fallen)
    traces = front_traces(replace(result, candidates=rows, front=front))
    trace = traces[titles_of(result)[fallen]]
    assert trace.y[0] < 10 * result.policy.max_drop_points
    assert trace.marker.symbol == "triangle-up"
    assert "drop 55.0 to 65.0 points" in trace.hovertemplate


def test_blocks_are_ranked_and_told_apart_by_their_whole_names() -> None:
    measured = sensitivity()
    worst = block_costs.worst(measured)
    figure = block_charts.errors_figure(worst)
    assert list(figure.data[0].y) == [block.name for block in worst]
    assert list(figure.layout.yaxis.tickvals) == [block.name for block in worst]
    assert all(len(label) <= 30 for label in figure.layout.yaxis.ticktext)
    slowest = block_costs.slowest(measured)
    bars = block_charts.times_figure(slowest).data[0]
    gains = [colour for ms, colour in zip(bars.x, bars.marker.color, strict=True) if ms < 0]
    losses = [colour for ms, colour in zip(bars.x, bars.marker.color, strict=True) if ms > 0]
    assert set(gains).isdisjoint(losses)
    assert len(gains) == 20
