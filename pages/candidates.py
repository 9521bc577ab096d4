"""All candidates of an evaluation: what was measured of them, the front, and what was given up."""

from collections.abc import Sequence

import streamlit as st

from core.decision import explain
from core.decision.front import arranged, front_of
from core.records import Candidate, Evaluation
from pages import charts, frame

_TAGS = {
    "baseline": "gray",
    "chosen": "green",
    "front": "blue",
    "rejected": "orange",
    "failed": "red",
}
_TITLE_WIDTH = 300


def show_candidates(result: Evaluation) -> None:
    """The table of what was timed, what was given up before that, and the front."""
    front = front_of(result)
    timed = arranged(result)
    others = [row for row in result.candidates if row.latency is None]
    titles = explain.candidate_titles(result.candidates)
    st.dataframe(
        [table_row(row, titles[row.id], result, front) for row in timed],
        hide_index=True,
        alt="Baseline and candidates with their measurements",
        column_config={
            "candidate": st.column_config.TextColumn(width=_TITLE_WIDTH, pinned=True),
            "standing": st.column_config.MultiselectColumn(
                options=list(_TAGS),
                color=list(_TAGS.values()),
                help="Front: no other candidate is as fast, as small and as accurate at once.",
            ),
            "why": st.column_config.TextColumn(width="medium"),
        },
    )
    if others:
        _show_given_up(others, titles, result)
    if len(timed) > 1:
        _show_front(timed, titles, result, front)


def table_row(
    candidate: Candidate, title: str, result: Evaluation, front: Sequence[str]
) -> dict[str, object]:
    """One row of the comparison, in words; a figure that was not measured is a dash."""
    latency, accuracy = candidate.latency, candidate.search_accuracy
    cold = candidate.cold_start_ms
    baseline_size = result.model.size_bytes
    size = candidate.size_bytes
    return {
        "candidate": title,
        "standing": list(explain.standing(candidate, result.verdict.candidate, front)),
        "p50": explain.milliseconds(latency.p50_ms.value) if latency else "-",
        "speed-up": explain.speed_short(latency.speedup) if latency else "-",
        "size": f"{explain.size(size)} ({size / baseline_size:.0%})" if size else "-",
        "drop": explain.points_range(accuracy.drop_points) if accuracy else "-",
        "why": candidate.reason or candidate.recipe.note,
        "accuracy": explain.percent(accuracy.value) if accuracy else "-",
        "p99": explain.milliseconds(latency.p99_ms.value) if latency and latency.p99_ms else "-",
        "cold start": explain.milliseconds(cold.value) if cold else "-",
        "memory": explain.size(candidate.peak_rss_bytes) if candidate.peak_rss_bytes else "-",
        "id": candidate.id,
    }


def _show_given_up(rows: Sequence[Candidate], titles: dict[str, str], result: Evaluation) -> None:
    label = f"{explain.count(len(rows), 'recipe')} given up before being timed in full, and why"
    with st.expander(label, icon=":material/front_hand:"):
        st.dataframe(
            [given_up_row(row, titles[row.id], result) for row in rows],
            hide_index=True,
            alt="Recipes that were given up early, with the reason",
            column_config={
                "candidate": st.column_config.TextColumn(width="large", pinned=True),
                "why": st.column_config.TextColumn(width="large"),
            },
        )


def given_up_row(candidate: Candidate, title: str, result: Evaluation) -> dict[str, str]:
    """What is known of a candidate that the search did not keep."""
    accuracy, speed, size = (
        candidate.search_accuracy,
        candidate.search_speedup,
        candidate.size_bytes,
    )
    return {
        "candidate": title,
        "status": candidate.status,
        "why": candidate.reason,
        "drop": explain.points_range(accuracy.drop_points) if accuracy else "-",
        "samples": f"{accuracy.samples:,}" if accuracy else "-",
        "speed-up": explain.speed_short(speed) if speed else "-",
        "size": f"{explain.size(size)} ({size / result.model.size_bytes:.0%})" if size else "-",
        "id": candidate.id,
    }


def _show_front(
    rows: Sequence[Candidate], titles: dict[str, str], result: Evaluation, front: Sequence[str]
) -> None:
    st.subheader("Speed, accuracy and size at once")
    chart, words = st.columns([3, 2])
    with chart:
        st.plotly_chart(
            charts.front_figure(rows, titles, front, result),
            key="front",
            alt="Speed-up of each candidate against its accuracy drop, with the front: "
            + ", ".join(titles[id] for id in front),
        )
    with words:
        st.markdown("**The front, fastest first**")
        rows_of = {row.id: row for row in rows}
        st.markdown(
            "\n".join(_front_line(rows_of[id], titles[id], result) for id in front if id in rows_of)
        )
        st.caption(
            "For each of these, no other candidate is as fast, as accurate and as small at once. "
            "In the chart: the area of a circle is the file's size, a faint one is not on the "
            "front, and the dotted line joins those that trade speed for accuracy."
        )


def _front_line(row: Candidate, title: str, result: Evaluation) -> str:
    name, figures = frame.escaped(title), frame.escaped(explain.trade_off(row))
    if row.id == result.verdict.candidate:
        return f"- **{name}**: {figures} :green-badge[chosen]"
    return f"- {name}: {figures}" + (" :orange-badge[rejected]" if row.status == "rejected" else "")
