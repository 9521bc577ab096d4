"""Where a static recipe loses accuracy and where it loses time, block by block."""

import streamlit as st

from core.decision import block_costs, explain
from core.records import BlockCost, Evaluation, Sensitivity
from pages import block_charts, frame

_MOST_SHOWN = 20
_PRODUCT = "INT8 as matrix product, ms"
_TIMES = ("FP32, ms", "INT8, ms", _PRODUCT, "added, ms")


def show_blocks(result: Evaluation) -> None:
    """The sensitivity in two sentences, two charts and a table; says so where there is none."""
    st.subheader("Block by block")
    sensitivity = result.sensitivity
    if sensitivity is None:
        st.caption(
            "The blocks were not looked at one by one: no static recipe needed it. That is done "
            "where one loses too much accuracy or could be faster."
        )
        return
    titles = explain.candidate_titles(result.candidates)
    st.markdown(
        "\n".join(f"- {frame.escaped(said)}" for said in block_costs.sentences(sensitivity))
    )
    st.caption(
        f"Of {frame.escaped(titles.get(sensitivity.recipe, sensitivity.recipe))}. A block is a "
        "layer with what onnxruntime runs along with it. What costs accuracy or time is what a "
        "selective recipe leaves in FP32."
    )
    errors, times = st.tabs(["Accuracy", "Time"])
    with errors:
        _show_errors(sensitivity)
    with times:
        _show_times(sensitivity)
    with st.expander("All blocks", icon=":material/table_rows:"):
        st.dataframe(
            [block_row(block) for block in sensitivity.blocks],
            hide_index=True,
            column_config={
                "SQNR, dB": st.column_config.NumberColumn(format="%.1f"),
                "error at the output": st.column_config.NumberColumn(format="%.1e"),
                **{name: st.column_config.NumberColumn(format="%.3f") for name in _TIMES},
            },
            alt="What each block costs in accuracy and in time, in the order of the graph",
        )


def _show_errors(sensitivity: Sensitivity) -> None:
    worst = block_costs.worst(sensitivity)
    if not worst:
        st.caption("There is nothing to rank.")
        return
    shown = worst[:_MOST_SHOWN]
    st.caption(
        f"The worst {len(shown)} of {explain.count(len(sensitivity.blocks), 'block')}: what the "
        "model's output would lose if this block alone were quantized."
    )
    st.plotly_chart(
        block_charts.errors_figure(shown),
        key="block-errors",
        alt=f"Blocks ranked by what they cost in accuracy, the worst is {shown[0].name}",
    )


def _show_times(sensitivity: Sensitivity) -> None:
    ranked = block_costs.slowest(sensitivity)
    if not ranked:
        st.caption("There is nothing to rank.")
        return
    half = _MOST_SHOWN // 2
    shown = ranked if len(ranked) <= _MOST_SHOWN else (*ranked[:half], *ranked[-half:])
    ends = "" if len(shown) == len(ranked) else f", the {half} at either end"
    st.caption(
        f"{explain.count(len(ranked), 'block')} by the time that INT8 adds{ends}. Right: slower "
        "in INT8; left: faster."
    )
    st.plotly_chart(
        block_charts.times_figure(shown),
        key="block-times",
        alt=f"Blocks ranked by the time that INT8 adds, the slowest is {shown[0].name}",
    )


def block_row(block: BlockCost) -> dict[str, object]:
    """All figures of one block; one that was not measured is empty."""
    return {
        "block": block.name,
        "operator": block.op_type,
        "nodes": len(block.nodes),
        "weights": explain.size(block.weight_bytes),
        "SQNR, dB": block.sqnr_db,
        "error at the output": block.output_error,
        "FP32, ms": block.float_ms,
        "INT8, ms": block.int8_ms,
        _PRODUCT: block.im2col_ms,
        "added, ms": block_costs.added_ms(block),
    }
