"""What stands behind the comparison: all metrics, each class, start-up, threads and batches."""

import streamlit as st

from core.decision import explain
from core.records import Candidate, Evaluation, MetricName, SweepPoint

_METRICS: dict[MetricName, str] = {
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "top5_accuracy": "top 5",
}


def show_accuracy_details(result: Evaluation) -> None:
    """All accuracy figures of every candidate, and the classes of one of them."""
    gated = [row for row in result.candidates if row.accuracy is not None]
    titles = explain.candidate_titles(result.candidates)
    with st.expander("Accuracy in detail", icon=":material/fact_check:"):
        st.caption(
            "Of the samples that each was last gated on. The gate is the upper end of the accuracy "
            "drop; the other figures are there to look at. Errors: wrong answers over the "
            "baseline's. Balanced: the mean over the classes, however many samples each has."
        )
        st.dataframe(
            [metrics_row(row, titles[row.id]) for row in gated],
            hide_index=True,
            alt="Accuracy figures of the baseline and all candidates",
        )
        others = [row for row in gated[1:] if row.accuracy and row.accuracy.classes]
        if not others:
            return
        names = [row.id for row in others]
        chosen = result.verdict.candidate
        name = st.selectbox(
            "Class by class",
            names,
            index=names.index(chosen) if chosen in names else 0,
            key="class-by-class",
            format_func=lambda id: titles[id],
        )
        row = next(row for row in others if row.id == name)
        st.dataframe(
            class_rows(row, result),
            hide_index=True,
            alt=f"Right answers of {titles[name]} in each class",
        )
        st.caption(
            "p: how easily chance alone would lose so much, corrected for the number of classes "
            "(McNemar, Holm). Below 0.05 the loss is real."
        )


def metrics_row(candidate: Candidate, title: str) -> dict[str, str]:
    """A candidate's figures in words; a figure that does not apply is a dash."""
    accuracy = candidate.accuracy
    assert accuracy is not None
    row = {
        "candidate": title,
        "samples": f"{accuracy.samples:,} {accuracy.split}",
        "accuracy": explain.percent(accuracy.value),
        "drop": explain.points_range(accuracy.drop_points),
        "errors": explain.times(accuracy.error_ratio) if accuracy.error_ratio is not None else "-",
        "agreement": explain.percent(accuracy.agreement),
        "right to wrong": str(accuracy.right_to_wrong),
        "wrong to right": str(accuracy.wrong_to_right),
        "McNemar p": f"{accuracy.mcnemar_p:.3f}" if accuracy.mcnemar_p is not None else "-",
    }
    for metric in accuracy.metrics:
        drop = f", drop {explain.points_range(metric.drop_points)}" if metric.drop_points else ""
        row[_METRICS[metric.metric]] = f"{explain.percent(metric.value)}{drop}"
    return row


def class_rows(candidate: Candidate, result: Evaluation) -> list[dict[str, object]]:
    """Each class with samples, those that lost most first."""
    accuracy = candidate.accuracy
    assert accuracy is not None
    rows = sorted(accuracy.classes, key=lambda row: row.wrong_to_right - row.right_to_wrong)
    return [
        {
            "class": result.dataset.class_names[row.label],
            "samples": row.samples,
            "baseline": explain.percent(row.baseline_value),
            "candidate": explain.percent(row.value),
            "right to wrong": row.right_to_wrong,
            "wrong to right": row.wrong_to_right,
            "p": f"{row.p_holm:.3f}" if row.p_holm is not None else "-",
        }
        for row in rows
    ]


def show_footprint(result: Evaluation) -> None:
    """What a new replica takes: time to its first answer, in parts, and memory."""
    titles = explain.candidate_titles(result.candidates)
    rows = [
        footprint_row(row, titles[row.id])
        for row in result.candidates
        if row.cold_start_ms is not None
    ]
    if not rows:
        return
    with st.expander("Cold start and memory in detail", icon=":material/rocket:"):
        st.caption(
            "From an empty process to the first answer, each in fresh processes that took turns. "
            "Memory: what serving the model adds to an empty runtime at its peak."
        )
        st.dataframe(rows, hide_index=True, alt="Cold start and memory of each model")


def footprint_row(candidate: Candidate, title: str) -> dict[str, str]:
    """A model's cold start with its parts, and its memory."""
    cold = candidate.cold_start_ms
    assert cold is not None
    row = {
        "candidate": title,
        "cold start": explain.milliseconds(cold.value),
        "interval": f"{explain.milliseconds(cold.low)} to {explain.milliseconds(cold.high)}",
        "session creation": explain.milliseconds(cold.session_ms),
        "first run": explain.milliseconds(cold.first_run_ms),
        "processes": str(cold.processes),
        "memory": explain.size(candidate.peak_rss_bytes) if candidate.peak_rss_bytes else "-",
    }
    if cold.download_ms is not None:
        row["download"] = explain.milliseconds(cold.download_ms)
    return row


def show_sweep(result: Evaluation) -> None:
    """The same models with other threads and batch sizes."""
    if not result.sweep:
        return
    st.subheader("Other threads and batch sizes")
    st.caption(
        "p50 of one run, and the throughput of one session that is never idle. More threads are "
        "sometimes the simpler way to be fast, where cores are idle."
    )
    st.dataframe(
        [sweep_row(point, result) for point in result.sweep],
        hide_index=True,
        alt="Latency and throughput with other threads and batch sizes",
    )


def sweep_row(point: SweepPoint, result: Evaluation) -> dict[str, str]:
    """One number of threads and one batch size, for the baseline and the candidate."""
    deployed = (result.deployment.threads, result.deployment.batch_size)
    here = (point.threads, point.batch_size) == deployed
    row = {
        "threads": f"{point.threads}{' (as you serve)' if here else ''}",
        "batch": str(point.batch_size),
    }
    for name, p50 in point.p50_ms.items():
        row[f"{name}, p50"] = explain.milliseconds(p50.value)
        row[f"{name}, throughput"] = explain.rate(point.samples_per_s[name])
    for name, ratio in point.speedup.items():
        if name != "baseline":
            row["speed-up"] = explain.speed_short(ratio)
    return row
