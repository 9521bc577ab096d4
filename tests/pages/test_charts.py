from core.records import Policy
from pages import charts
from tests.pages.house import House


def test_the_box_is_the_measured_distribution(house: House) -> None:
    (row, *_) = house.measured.result.candidates
    (box,) = charts.latency_figure([row]).data
    q = row.latency.quantiles_ms
    assert (box.lowerfence[0], box.q1[0], box.median[0], box.q3[0], box.upperfence[0]) == (
        q[1],
        q[25],
        q[50],
        q[75],
        q[99],
    )


def test_the_drop_stands_against_the_allowed_one(house: House) -> None:
    rows = house.measured.result.candidates
    figure = charts.drop_figure(rows, Policy(max_drop_points=2.5))
    assert figure.layout.shapes[0].x0 == 2.5
    for trace, row in zip(figure.data, rows[1:], strict=True):
        drop = row.search_accuracy.drop_points
        assert trace.x[0] == drop.value
        assert trace.x[0] + trace.error_x.array[0] == drop.high
        assert trace.x[0] - trace.error_x.arrayminus[0] == drop.low


def test_a_candidate_has_one_colour_and_no_other_has_it(house: House) -> None:
    rows = house.measured.result.candidates
    colours = [charts.color_of(row) for row in rows]
    assert len(set(colours)) == len(rows)
    assert list(charts.size_figure(rows).data[0].marker.color) == colours
    assert [trace.marker.color for trace in charts.latency_figure(rows).data] == colours
