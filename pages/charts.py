"""Plotly figures of an evaluation. A candidate has the same colour in all of them."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.records import Candidate, DatasetProfile, Policy

_COLORS = {
    "none": "#8A94A6",
    "float16": "#D97706",
    "int8_dynamic": "#9333EA",
    "int8_static": "#0891B2",
}
_SELECTIVE_COLORS = {"int8_dynamic": "#DB2777", "int8_static": "#16A34A"}


def color_of(candidate: Candidate) -> str:
    """The colour that stands for a candidate's method in every chart."""
    recipe = candidate.recipe
    if recipe.left_in_float:
        return _SELECTIVE_COLORS.get(recipe.method, _COLORS[recipe.method])
    return _COLORS[recipe.method]


def latency_figure(candidates: Sequence[Candidate]) -> go.Figure:
    """Box of each latency distribution: quartiles, whiskers at the 1st and 99th percentile."""
    figure = go.Figure()
    for candidate in candidates:
        if candidate.latency is None:
            continue
        q = candidate.latency.quantiles_ms
        figure.add_trace(
            go.Box(
                name=candidate.id,
                y=[candidate.id],
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
    return _tidy(figure)


def size_figure(candidates: Sequence[Candidate]) -> go.Figure:
    """Bar of each file's size, with its share of the baseline's."""
    rows = [c for c in candidates if c.size_bytes is not None]
    baseline = rows[0].size_bytes or 1
    sizes = [c.size_bytes or 0 for c in rows]
    figure = go.Figure(
        go.Bar(
            x=[size / 1e6 for size in sizes],
            y=[c.id for c in rows],
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
    return _tidy(figure)


def drop_figure(candidates: Sequence[Candidate], policy: Policy) -> go.Figure:
    """Each accuracy drop with its interval, against the policy's threshold."""
    rows = [c for c in candidates[1:] if c.search_accuracy is not None]
    figure = go.Figure()
    for candidate in rows:
        assert candidate.search_accuracy is not None
        drop = candidate.search_accuracy.drop_points
        words = f"{drop.value:.2f} points ({drop.low:.2f} to {drop.high:.2f})"
        figure.add_trace(
            go.Scatter(
                name=candidate.id,
                x=[drop.value],
                y=[candidate.id],
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
    figure.add_vline(
        x=policy.max_drop_points,
        line={"color": "#DC2626", "dash": "dash", "width": 2},
        annotation_text=f"allowed: {policy.max_drop_points:g}",
        annotation_position="top",
    )
    figure.update_xaxes(title="points lost, with interval", zeroline=True)
    return _tidy(figure)


def classes_figure(dataset: DatasetProfile) -> go.Figure:
    """How many samples each class has."""
    figure = go.Figure(
        go.Bar(x=list(dataset.class_names), y=list(dataset.class_counts), marker_color="#0891B2")
    )
    figure.update_xaxes(type="category", title="class")
    figure.update_yaxes(title="samples")
    figure.update_layout(height=220, margin={"l": 0, "r": 0, "t": 8, "b": 0}, showlegend=False)
    return figure


def _tidy(figure: go.Figure) -> go.Figure:
    rows = len({name for trace in figure.data for name in trace.y})
    figure.update_yaxes(autorange="reversed", title=None, automargin=True)
    figure.update_layout(
        height=110 + 42 * rows, margin={"l": 0, "r": 8, "t": 24, "b": 0}, showlegend=False
    )
    return figure
