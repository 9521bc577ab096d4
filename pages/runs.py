"""Step 3: live progress while it runs, then all candidates side by side."""

import streamlit as st

from core.decision import explain
from core.decision.front import arranged
from core.jobs import cancel
from core.records import Evaluation, Progress
from core.storage import StoredEvaluation
from pages import blocks, candidates, charts, details, frame

_MARKS = {
    "done": ":green[:material/check_circle:]",
    "running": ":blue[:material/timer:]",
    "waiting": ":gray[:material/radio_button_unchecked:]",
}


@st.fragment(run_every="2s")
def watch(id: str) -> None:
    """How far a running evaluation is; looks again every two seconds until it has ended."""
    job = next((job for job in frame.active_jobs() if job.id == id), None)
    if job is None:
        st.rerun()
    if not job.worker_alive:
        st.warning(
            "No worker is running on this kind of machine; the evaluation goes on as soon as one "
            "is (`python -m core worker`).",
            icon=":material/warning:",
        )
    if job.status == "queued":
        st.info(
            f"Waiting: number {job.position} in the queue. One evaluation is measured at a time, "
            "so that none disturbs another.",
            icon=":material/hourglass_top:",
        )
    elif job.progress is not None:
        show_progress(job.progress)
    else:
        st.info("Starting.", icon=":material/hourglass_top:")
    if st.button("Cancel", icon=":material/cancel:", key="cancel"):
        cancel(frame.storage(), id)
        frame.active_jobs.clear()
        st.rerun()


def show_progress(progress: Progress) -> None:
    """The steps, what is done of them, and how long is left."""
    st.progress(progress.fraction, text=frame.running_words(progress))
    st.caption(
        f"{frame.duration(progress.elapsed_s)} so far. You can close this page: the evaluation "
        "goes on, and its link shows it again."
    )
    if progress.note:
        st.info(frame.escaped(progress.note), icon=":material/lightbulb:")
    st.markdown(
        "\n".join(
            f"- {_MARKS[step.state]} {step.title}"
            + (f" :gray[{frame.duration(step.seconds)}]" if step.state == "done" else "")
            for step in progress.steps
        )
    )


def show_comparison(result: Evaluation) -> None:
    """Table and charts of the baseline and all candidates."""
    candidates.show_candidates(result)
    measured = arranged(result)
    titles = explain.candidate_titles(result.candidates)
    st.subheader("Latency")
    st.caption("Box: the middle half of all runs; whiskers: the 1st and the 99th percentile.")
    st.plotly_chart(
        charts.latency_figure(measured, titles),
        key="latency",
        alt="Latency distribution of each model",
    )
    left, right = st.columns(2)
    with left:
        st.subheader("Size")
        st.plotly_chart(
            charts.size_figure(measured, titles), key="size", alt="File size of each model"
        )
    with right:
        st.subheader("Accuracy drop")
        st.plotly_chart(
            charts.drop_figure(measured, titles, result.policy),
            key="drop",
            alt="Accuracy drop of each candidate against the allowed drop",
        )
    if result.sample_plan is not None:
        st.caption(frame.escaped(explain.sample_plan(result.sample_plan)))
    blocks.show_blocks(result)
    details.show_accuracy_details(result)
    details.show_footprint(result)
    details.show_sweep(result)
    show_machine(result)


def show_machine(result: Evaluation) -> None:
    """The A/A check, the noise guards and the fingerprint."""
    check = result.aa_check
    if check is not None:
        words = (
            f"A/A check: the baseline against itself gave {check.ratio:.3f} "
            f"({check.low:.3f} to {check.high:.3f})"
        )
        if check.passed:
            st.success(f"{words}: this machine was quiet enough.", icon=":material/balance:")
        else:
            st.error(f"{words}: this machine was too busy.", icon=":material/balance:")
    frame.show_findings(result.machine.findings)
    with st.expander("Machine and session", icon=":material/memory:"):
        machine = result.machine
        st.table(
            {
                "CPU": machine.cpu_model,
                "Architecture": machine.architecture,
                "Flags": ", ".join(machine.flags),
                "Cores": str(machine.cores),
                "Memory": explain.size(machine.ram_bytes),
                "System": machine.os,
                "Libraries": ", ".join(f"{k} {v}" for k, v in machine.libraries.items()),
                "Session options": ", ".join(
                    f"{k}={v}" for k, v in machine.session_options.items()
                ),
            },
            border="horizontal",
            alt="Fingerprint of the machine that measured",
        )


def show_ended(evaluation: StoredEvaluation) -> None:
    """Why there is no result, and the way on."""
    if evaluation.status == "failed":
        sentence = frame.escaped(evaluation.error or "The evaluation failed.")
        st.error(sentence, icon=":material/error:")
    else:
        st.info("This evaluation was cancelled.", icon=":material/cancel:")
    if st.button("Change and run again", type="primary", icon=":material/replay:"):
        frame.go("upload", frame.start_copy(evaluation))


evaluation = frame.required("runs")
st.title("Runs")
if evaluation.status == "draft":
    st.info("This evaluation has not been started.")
    st.page_link(
        "method.py",
        label="Go to the method",
        icon=":material/tune:",
        query_params={"id": evaluation.id},
    )
elif evaluation.status in ("queued", "running"):
    watch(evaluation.id)
elif evaluation.result is not None:
    badge = frame.OUTCOMES[evaluation.result.verdict.outcome]
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.show_badge(badge)
        st.page_link(
            "decision.py",
            label="**See the decision**",
            icon=":material/gavel:",
            query_params={"id": evaluation.id},
        )
    show_comparison(evaluation.result)
else:
    show_ended(evaluation)
