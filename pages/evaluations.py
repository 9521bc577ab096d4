"""Home: the team's evaluations, the queue, and where a new one begins."""

from datetime import UTC, datetime

import streamlit as st

from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING
from core.jobs import Job, submit
from core.records import Request
from core.storage import (
    EvaluationSummary,
    create_draft,
    delete_evaluation,
    list_evaluations,
    restore_evaluation,
    update_draft,
)
from core.uploads import check_dataset, check_model
from pages import frame

_PER_PAGE = 15


def start_example() -> str:
    """Puts the bundled model and data in, as an upload would, and starts the evaluation."""
    storage = frame.storage()
    id = create_draft(
        storage, name="Example: handwritten digits", created_by=frame.visitor(), example=True
    )
    model = (storage.files.put(MODEL_PATH, MODEL_PATH.name),)
    data = (storage.files.put(DATA_PATH, DATA_PATH.name),)
    profile = check_model(storage, model)
    update_draft(
        storage,
        id,
        model_files=model,
        data_files=data,
        model_profile=profile,
        dataset_profile=check_dataset(storage, data, profile, PREPROCESSING),
        request=Request(preprocessing=PREPROCESSING),
    )
    submit(storage, id)
    frame.active_jobs.clear()
    return id


def show_row(row: EvaluationSummary) -> None:
    """One evaluation of the list."""
    page = {"draft": "upload", "finished": "decision"}.get(row.status, "runs")
    badge = frame.OUTCOMES[row.outcome] if row.outcome else frame.STATUSES[row.status]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            frame.show_badge(badge)
            st.page_link(
                f"{page}.py", label=f"**{frame.escaped(row.name)}**", query_params={"id": row.id}
            )
            by = f" by {frame.escaped(row.created_by)}" if row.created_by else ""
            st.caption(_when(row.created) + by)
            st.space("stretch")
            if row.status not in ("queued", "running") and st.button(
                "Delete",
                key=f"delete-{row.id}",
                icon=":material/delete:",
                type="tertiary",
                help=f"Delete {frame.escaped(row.name)}; you can undo it.",
            ):
                delete_evaluation(frame.storage(), row.id)
                st.session_state["deleted"] = (row.id, row.name)
                st.rerun()
        if row.sentence or row.error:
            st.markdown(frame.escaped(row.sentence or row.error or ""))


@st.fragment(run_every="2s")
def watch_queue() -> None:
    """What runs and waits; looks again until nothing does."""
    jobs = frame.active_jobs()
    for job in jobs:
        _show_job(job)
    if not jobs:
        st.rerun()


def _show_job(job: Job) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            frame.show_badge(frame.STATUSES[job.status])
            st.page_link(
                "runs.py", label=f"**{frame.escaped(job.name)}**", query_params={"id": job.id}
            )
            if job.position is not None:
                st.caption(f"number {job.position} in the queue")
            if not job.worker_alive:
                st.caption(":orange[no worker is running: start one with `python -m core worker`]")
        if job.status == "running" and job.progress is not None:
            st.progress(job.progress.fraction, text=frame.running_words(job.progress))


def _when(created: str) -> str:
    then = datetime.fromisoformat(created)
    days = (datetime.now(UTC).date() - then.date()).days
    clock = f"{then:%H:%M} UTC"
    return {0: f"today, {clock}", 1: f"yesterday, {clock}"}.get(days, f"{then:%d %b %Y}")


st.title("Should this model be quantized?")
st.markdown(
    "Upload an ONNX model and your own labelled data. Measure First times the model on this "
    "machine, makes smaller candidates, measures them the same way on the same samples, and says "
    "whether one of them should replace it."
)
with st.container(horizontal=True):
    if st.button("New evaluation", type="primary", icon=":material/add:"):
        st.session_state.pop("evaluation", None)
        st.switch_page("upload.py", query_params={})
    if st.button("Try the example", icon=":material/play_arrow:", help="Takes about two minutes."):
        with st.spinner("Reading the example"):
            example = start_example()
        frame.go("runs", example)
    with st.popover("Example files", icon=":material/download:"):
        st.write("A small CNN for handwritten digits and its pictures, to upload by hand.")
        st.download_button(
            "Model (.onnx)", MODEL_PATH.read_bytes(), MODEL_PATH.name, on_click="ignore"
        )
        st.download_button("Data (.zip)", DATA_PATH.read_bytes(), DATA_PATH.name, on_click="ignore")

if "deleted" in st.session_state:
    deleted, name = st.session_state["deleted"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Deleted {frame.escaped(name)}.")
        if st.button("Undo", icon=":material/undo:", type="tertiary"):
            restore_evaluation(frame.storage(), deleted)
            del st.session_state["deleted"]
            st.rerun()

if frame.active_jobs():
    st.subheader("Queue")
    watch_queue()

st.subheader("Evaluations")
rows = [
    row
    for row in list_evaluations(frame.storage(), limit=500)
    if row.status not in ("queued", "running")
]
if not rows:
    st.info("Nothing has been evaluated yet. The example shows what to expect.")
last = -(-len(rows) // _PER_PAGE)
number = st.pagination(last, key="evaluations_page") if last > 1 else 1
for shown in rows[(number - 1) * _PER_PAGE : number * _PER_PAGE]:
    show_row(shown)
