"""Plotly figures of an evaluation. A candidate has the same colour in all of them."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import plotly.graph_objects as go

from core.decision import explain
from core.decision.front import best_speedup
from core.records import Candidate, DatasetProfile, Evaluation, Policy

_COLORS = {
    "none": "#8A94A6",
    "float16": "#D97706",
    "int8_dynamic": "#9333EA",
    "int8_static": "#0891B2",
    "int8_weight_only": "#CA8A04",
}
_SELECTIVE_COLORS = {"int8_dynamic": "#DB2777", "int8_static": "#16A34A"}

_BASELINE_DIAMETER = 28
"""Pixels of the baseline's circle; the area of a circle is its file's size."""


def color_of(candidate: Candidate) -> str:
    """The colour that stands for a candidate's method in every chart."""
    recipe = candidate.recipe
    if recipe.left_in_float:
        return _SELECTIVE_COLORS.get(recipe.method, _COLORS[recipe.method])
    return _COLORS[recipe.method]


def latency_figure(candidates: Sequence[Candidate], titles: Mapping[str, str]) -> go.Figure:
    """Box of each latency distribution: quartiles, whiskers at the 1st and 99th percentile."""
    figure = go.Figure()
    for candidate in candidates:
        if candidate.latency is None:
            continue
        q = candidate.latency.quantiles_ms
        figure.add_trace(
            go.Box(
                name=titles[candidate.id],
                y=[_label(titles[candidate.id])],
                orientation="h",
                lowerfence=[q[1]],
                q1=[q[25]],
                median=[q[50]],
                q3=[q[75]],
                upperfence=[q[99]],
                marker_color=color_of(candidate),
                hoverinfo="x",
            )
        )
    figure.update_xaxes(title="milliseconds per run", rangemode="tozero")
    return tidy(figure)


def size_figure(candidates: Sequence[Candidate], titles: Mapping[str, str]) -> go.Figure:
    """Bar of each file's size, with its share of the baseline's."""
    rows = [c for c in candidates if c.size_bytes is not None]
    baseline = rows[0].size_bytes or 1
    sizes = [c.size_bytes or 0 for c in rows]
    figure = go.Figure(
        go.Bar(
            x=[size / 1e6 for size in sizes],
            y=[_label(titles[c.id]) for c in rows],
            orientation="h",
            marker_color=[color_of(c) for c in rows],
            text=[f"{size / 1e6:.3g} MB ({size / baseline:.0%})" for size in sizes],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    # Room for the words behind the longest bar.
    figure.update_xaxes(title="file size, MB", range=[0, 1.5 * max(sizes) / 1e6])
    return tidy(figure)


def drop_figure(
    candidates: Sequence[Candidate], titles: Mapping[str, str], policy: Policy
) -> go.Figure:
    """Each accuracy drop with its interval, against the policy's threshold."""
    rows = [c for c in candidates if c.recipe.method != "none" and c.search_accuracy is not None]
    figure = go.Figure()
    for candidate in rows:
        assert candidate.search_accuracy is not None
        drop = candidate.search_accuracy.drop_points
        words = f"{drop.value:.2f} points ({drop.low:.2f} to {drop.high:.2f})"
        figure.add_trace(
            go.Scatter(
                name=titles[candidate.id],
                x=[drop.value],
                y=[_label(titles[candidate.id])],
                mode="markers",
                marker={"size": 11, "color": color_of(candidate)},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [drop.high - drop.value],
                    "arrayminus": [drop.value - drop.low],
                    "thickness": 2,
                },
                hovertemplate=f"{words}<extra></extra>",
            )
        )
    _mark_limit(figure, policy.max_drop_points, horizontal=False)
    figure.update_xaxes(title="points lost, with interval", zeroline=True)
    return tidy(figure)


def front_figure(
    candidates: Sequence[Candidate],
    titles: Mapping[str, str],
    front: Sequence[str],
    result: Evaluation,
) -> go.Figure:
    """Speed-up against accuracy drop; the larger a circle, the larger the file.

    A drop far beyond the threshold would leave no room for the others: it stands at the upper
    edge, as a triangle.

    Args:
        candidates: Those that were timed.
        titles: By id.
        front: Ids of those on the front, the fastest first; a line joins them.
        result: Has the threshold, the chosen candidate and the baseline's size.
    """
    points = {
        c.id: (speed.ratio, c.search_accuracy.drop_points.value)
        for c in candidates
        if (speed := best_speedup(c)) is not None and c.search_accuracy is not None
    }
    limit = result.policy.max_drop_points
    edge = max([3 * limit, *(1.2 * points[id][1] for id in front if id in points)])
    edge = min(edge, max(1.2 * limit, *(1.2 * drop for _, drop in points.values())))
    figure = go.Figure()
    joined = _falling([points[id] for id in front if id in points])
    figure.add_trace(
        go.Scatter(
            name="front",
            x=[speed for speed, _ in joined],
            y=[min(drop, edge) for _, drop in joined],
            mode="lines",
            line={"color": "#8A94A6", "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
        )
    )
    for candidate in candidates:
        if candidate.id not in points:
            continue
        speed_up, drop = points[candidate.id]
        share = (candidate.size_bytes or 0) / result.model.size_bytes
        diameter = _BASELINE_DIAMETER * max(share, 0.05) ** 0.5
        figure.add_trace(
            go.Scatter(
                name=titles[candidate.id],
                x=[speed_up],
                y=[min(drop, edge)],
                mode="markers",
                marker={
                    "size": diameter,
                    "symbol": "triangle-up" if drop > edge else "circle",
                    "color": color_of(candidate),
                    "opacity": 0.9 if candidate.id in front else 0.45,
                },
                hovertemplate=f"<b>{_label(titles[candidate.id])}</b><br>"
                f"{explain.trade_off(candidate)}<extra></extra>",
            )
        )
        if candidate.id == result.verdict.candidate:
            figure.add_trace(_ring(speed_up, min(drop, edge), diameter + 12))
    _mark_limit(figure, limit, horizontal=True)
    lowest = min([0.0, *(drop for _, drop in points.values())])
    figure.update_xaxes(title="speed-up (right: faster)", ticksuffix="x", rangemode="tozero")
    figure.update_yaxes(title="points lost", range=[lowest - 0.15 * edge, 1.12 * edge])
    figure.update_layout(height=380, margin={"l": 0, "r": 8, "t": 24, "b": 0}, showlegend=False)
    return figure


def classes_figure(dataset: DatasetProfile) -> go.Figure:
    """How many samples each class has."""
    figure = go.Figure(
        go.Bar(x=list(dataset.class_names), y=list(dataset.class_counts), marker_color="#0891B2")
    )
    figure.update_xaxes(type="category", title="class")
    figure.update_yaxes(title="samples")
    figure.update_layout(height=220, margin={"l": 0, "r": 0, "t": 8, "b": 0}, showlegend=False)
    return figure


def _mark_limit(figure: go.Figure, points: float, *, horizontal: bool) -> None:
    draw, axis = (figure.add_hline, "y") if horizontal else (figure.add_vline, "x")
    draw(
        **{axis: points},
        line={"color": "#DC2626", "dash": "dash", "width": 2},
        annotation_text=f"allowed: {points:g}",
        annotation_position="top right" if horizontal else "top",
    )


def _falling(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of a front, fastest first, what is on it without its sizes: less speed, a smaller drop."""
    kept: list[tuple[float, float]] = []
    for speed, drop in points:
        if not kept or drop < kept[-1][1]:
            kept.append((speed, drop))
    return kept


def _ring(x: float, y: float, diameter: float) -> go.Scatter:
    return go.Scatter(
        name="chosen",
        x=[x],
        y=[y],
        mode="markers+text",
        text=["chosen"],
        textposition="bottom center",
        marker={
            "size": diameter,
            "symbol": "circle-open",
            "color": "#3B6DF0",
            "line": {"width": 2.5},
        },
        hoverinfo="skip",
    )


def _label(title: str) -> str:
    """A title in lines that leave room for the chart beside them."""
    return "<br>".join(wrap(title, 24))


def tidy(figure: go.Figure, row_height: int = 42) -> go.Figure:
    """Gives each row of a horizontal chart the same height, the first one on top."""
    rows = len({name for trace in figure.data for name in trace.y})
    figure.update_yaxes(autorange="reversed", title=None, automargin=True)
    figure.update_layout(
        height=110 + row_height * rows, margin={"l": 0, "r": 8, "t": 24, "b": 0}, showlegend=False
    )
    return figure
