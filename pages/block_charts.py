"""Plotly figures of what single blocks cost in accuracy and in time."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.decision import block_costs, explain
from core.records import BlockCost
from pages.charts import tidy

_COSTS = "#DC2626"
_SAVES = "#0891B2"


def errors_figure(blocks: Sequence[BlockCost]) -> go.Figure:
    """Bar of what each block costs in accuracy, the worst on top."""
    figure = go.Figure(
        go.Bar(
            x=[block.output_error for block in blocks],
            y=[block.name for block in blocks],
            orientation="h",
            marker_color=_COSTS,
            customdata=[_block_words(block) for block in blocks],
            hovertemplate="%{y}<br>%{x:.2g}<br>%{customdata}<extra></extra>",
        )
    )
    figure.update_xaxes(title="noise over signal at the output", exponentformat="power")
    return _with_block_names(figure, blocks)


def times_figure(blocks: Sequence[BlockCost]) -> go.Figure:
    """Bar of the milliseconds that INT8 adds to each block (red) or saves (blue)."""
    added = [block_costs.added_ms(block) or 0.0 for block in blocks]
    figure = go.Figure(
        go.Bar(
            x=added,
            y=[block.name for block in blocks],
            orientation="h",
            marker_color=[_COSTS if ms > 0 else _SAVES for ms in added],
            customdata=[_block_words(block) for block in blocks],
            hovertemplate="%{y}<br>%{x:+.3g} ms<br>%{customdata}<extra></extra>",
        )
    )
    figure.update_xaxes(title="ms that INT8 adds to a run", zeroline=True)
    return _with_block_names(figure, blocks)


def _with_block_names(figure: go.Figure, blocks: Sequence[BlockCost]) -> go.Figure:
    figure.update_yaxes(
        tickvals=[block.name for block in blocks],
        ticktext=[_block_label(block) for block in blocks],
    )
    return tidy(figure, row_height=22)


def _block_label(block: BlockCost) -> str:
    """The end of a node's name, which is the part that differs."""
    name = block.name if len(block.name) <= 30 else f"…{block.name[-29:]}"
    return name.replace("<", "&lt;")


def _block_words(block: BlockCost) -> str:
    nodes = explain.count(len(block.nodes), "node")
    return f"{block.op_type}, {nodes}, {explain.size(block.weight_bytes)} of weights"
