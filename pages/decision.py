"""Step 4: the verdict, its evidence, what comes next, the downloads and the sign-off."""

from collections.abc import Callable

import streamlit as st

from core.decision import block_costs, explain
from core.records import BadInput, Candidate, Evaluation, to_json
from core.report import to_html, to_pdf
from core.storage import StoredEvaluation, StoredFile, sign_off
from pages import charts, frame
from pages.transfer import download_link


def show_verdict(result: Evaluation) -> None:
    """The verdict in one sentence, as loud as it deserves."""
    verdict = result.verdict
    draw = {
        "ship": st.success,
        "ship_for_size": st.success,
        "quantize_selectively": st.success,
        "try_fp16": st.info,
        "not_worth_it": st.info,
        "not_enough_evidence": st.warning,
    }[verdict.outcome]
    badge = frame.OUTCOMES[verdict.outcome]
    st.header(badge.label, anchor=False)
    draw(frame.escaped(verdict.sentence), icon=badge.icon)
    titles = explain.candidate_titles(result.candidates)
    if verdict.candidate in titles:
        st.caption(
            f"{frame.escaped(verdict.candidate)}: {frame.escaped(titles[verdict.candidate])}"
        )


def show_evidence(baseline: Candidate, chosen: Candidate) -> None:
    """Baseline and chosen candidate, figure by figure."""
    st.subheader("The evidence")
    with st.grid(5):
        if baseline.latency and chosen.latency:
            st.metric(
                "p50 latency",
                explain.milliseconds(chosen.latency.p50_ms.value),
                f"was {explain.milliseconds(baseline.latency.p50_ms.value)}",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
            speedup = chosen.latency.speedup
            st.metric(
                "Speed-up",
                explain.times(speedup.ratio),
                explain.speed(speedup),
                delta_color="off",
                delta_arrow="off",
                border=True,
                help="Half of the time is 2x. Below: the 95% interval.",
            )
        if chosen.accuracy:
            drop = chosen.accuracy.drop_points
            st.metric(
                "Accuracy drop",
                explain.points(drop.value),
                explain.points_range(drop),
                delta_color="off",
                delta_arrow="off",
                border=True,
                help="Below: its interval. The upper end is held against the policy.",
            )
        if baseline.size_bytes and chosen.size_bytes:
            st.metric(
                "File size",
                explain.size(chosen.size_bytes),
                f"was {explain.size(baseline.size_bytes)}",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
        if baseline.cold_start_ms and chosen.cold_start_ms:
            st.metric(
                "Cold start",
                explain.milliseconds(chosen.cold_start_ms.value),
                f"was {explain.milliseconds(baseline.cold_start_ms.value)}",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
    if chosen.accuracy:
        accuracy = chosen.accuracy
        st.caption(
            f"{accuracy.samples:,} samples of the {accuracy.split} split: the two models agree on "
            f"{explain.percent(accuracy.agreement)} of them; {accuracy.right_to_wrong} answers "
            f"went from right to wrong, {accuracy.wrong_to_right} from wrong to right."
        )


def show_baseline(baseline: Candidate) -> None:
    """The figures of the user's own file, where no candidate is to be shown beside it."""
    st.subheader("Your model as it is")
    with st.grid(4):
        if baseline.latency:
            st.metric(
                "p50 latency", explain.milliseconds(baseline.latency.p50_ms.value), border=True
            )
        if baseline.accuracy:
            st.metric("Accuracy", explain.percent(baseline.accuracy.value), border=True)
        if baseline.size_bytes:
            st.metric("File size", explain.size(baseline.size_bytes), border=True)
        if baseline.cold_start_ms:
            st.metric("Cold start", explain.milliseconds(baseline.cold_start_ms.value), border=True)


def show_list(title: str, sentences: tuple[str, ...]) -> None:
    """Sentences under a heading, if there are any."""
    if sentences:
        st.subheader(title)
        st.markdown("\n".join(f"- {frame.escaped(sentence)}" for sentence in sentences))


def show_downloads(evaluation: StoredEvaluation, result: Evaluation) -> None:
    """The chosen model first, then the evidence in its several forms."""
    st.subheader("Downloads")
    files = {file.name: file for file in evaluation.output_files}
    chosen = next((c for c in result.candidates if c.id == result.verdict.candidate), None)
    with st.container(horizontal=True):
        if chosen is not None and chosen.file in files:
            download_link(
                files[chosen.file],
                f"{chosen.id}.onnx ({explain.size(files[chosen.file].size_bytes)})",
                primary=True,
            )
        if chosen is not None:
            _recipe_button(chosen, key="recipe")
        # Made when they are asked for, not each time the page is drawn.
        reports: dict[str, Callable[[], str | bytes]] = {
            "evaluation.json": lambda: to_json(result),
            "report.html": lambda: to_html(result, evaluation.name),
            "report.pdf": lambda: to_pdf(result, evaluation.name),
        }
        for name, make in reports.items():
            st.download_button(name, make, name, icon=":material/download:", on_click="ignore")
    with st.expander("All candidates and raw samples", icon=":material/folder_zip:"):
        for row in result.candidates:
            if row.file in files:
                _show_files(row, files.pop(row.file))
        for name, file in files.items():
            download_link(file, f"{name} ({explain.size(file.size_bytes)})")


def _show_files(row: Candidate, file: StoredFile) -> None:
    """A candidate's model, and the recipe that makes the same again."""
    with st.container(horizontal=True, vertical_alignment="center"):
        download_link(file, f"{file.name} ({explain.size(file.size_bytes)})")
        _recipe_button(row, key=f"recipe-{row.id}")
        st.markdown(frame.escaped(explain.recipe_title(row.recipe)), width="content")


def _recipe_button(row: Candidate, *, key: str) -> None:
    st.download_button(
        "Recipe (JSON)",
        lambda: to_json(row.recipe),
        f"{row.id}.recipe.json",
        "application/json",
        key=key,
        icon=":material/receipt_long:",
        on_click="ignore",
    )


def show_sign_offs(evaluation: StoredEvaluation) -> None:
    """What colleagues decided, and the form to decide."""
    st.subheader("Sign-off")
    for made in evaluation.sign_offs:
        mark = ":green-badge[Approved]" if made.decision == "approved" else ":red-badge[Rejected]"
        note = f": {frame.escaped(made.note)}" if made.note else ""
        st.markdown(f"{mark} by **{frame.escaped(made.who)}**, {made.created[:10]}{note}")
    with st.form("sign-off", border=False, clear_on_submit=True):
        known = frame.visitor()
        who = st.text_input("Your name", value=known or "", disabled=known is not None)
        note = st.text_input("Note (optional)")
        with st.container(horizontal=True):
            approve = st.form_submit_button("Approve", icon=":material/thumb_up:")
            reject = st.form_submit_button("Reject", icon=":material/thumb_down:")
    if approve or reject:
        if not who.strip():
            st.error("Give your name first.", icon=":material/error:")
            return
        try:
            sign_off(
                frame.storage(),
                evaluation.id,
                who=who.strip(),
                decision="approved" if approve else "rejected",
                note=note.strip(),
            )
        except BadInput as problem:
            st.error(str(problem), icon=":material/error:")
        else:
            st.rerun()


evaluation = frame.required("decision")
result = evaluation.result
if result is None:
    st.title("Decision")
    st.info("There is no verdict yet.")
    st.page_link(
        "runs.py",
        label="See how far it is",
        icon=":material/timer:",
        query_params={"id": evaluation.id},
    )
    st.stop()
show_verdict(result)
baseline, *others = result.candidates
chosen = next((row for row in others if row.id == result.verdict.candidate), None)
if chosen is not None:
    show_evidence(baseline, chosen)
    st.plotly_chart(
        charts.latency_figure([baseline, chosen], explain.candidate_titles(result.candidates)),
        key="latency",
        alt="Latency distribution of the baseline and the chosen candidate",
    )
else:
    show_baseline(baseline)
left, right = st.columns(2)
with left:
    show_list("Why", result.verdict.reasons)
with right:
    show_list("What next", result.verdict.next_steps)
    show_list("What would change the answer", result.verdict.would_change)
if result.sensitivity is not None:
    show_list("Block by block", block_costs.sentences(result.sensitivity))
show_downloads(evaluation, result)
st.subheader("Share")
st.caption("A colleague who opens this link sees the same.")
st.code(frame.link("decision", evaluation.id), language=None)
show_sign_offs(evaluation)
