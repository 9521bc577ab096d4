"""What all pages share: the evaluation they show, its steps, and where the queue stands."""

from dataclasses import dataclass

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from core.decision.explain import OUTCOME_TITLES
from core.jobs import Job, list_jobs
from core.records import Finding, Outcome, Progress
from core.storage import (
    EvaluationStatus,
    Storage,
    StoredEvaluation,
    create_draft,
    get_evaluation,
    open_storage,
    update_draft,
)

_ICONS = {
    "error": ":material/error:",
    "warning": ":material/warning:",
    "info": ":material/info:",
}


@dataclass(frozen=True)
class Badge:
    """How an outcome or a status looks everywhere."""

    label: str
    color: str
    icon: str


_LOOKS: dict[Outcome, tuple[str, str]] = {
    "ship": ("green", ":material/rocket_launch:"),
    "ship_for_size": ("green", ":material/compress:"),
    "quantize_selectively": ("green", ":material/filter_alt:"),
    "try_fp16": ("blue", ":material/memory:"),
    "not_worth_it": ("gray", ":material/block:"),
    "not_enough_evidence": ("orange", ":material/help:"),
}
OUTCOMES = {outcome: Badge(OUTCOME_TITLES[outcome], *look) for outcome, look in _LOOKS.items()}

STATUSES: dict[EvaluationStatus, Badge] = {
    "draft": Badge("Draft", "gray", ":material/edit:"),
    "queued": Badge("Waiting", "blue", ":material/hourglass_top:"),
    "running": Badge("Running", "blue", ":material/timer:"),
    "finished": Badge("Finished", "green", ":material/check:"),
    "failed": Badge("Failed", "red", ":material/error:"),
    "cancelled": Badge("Cancelled", "gray", ":material/cancel:"),
}

_STEPS = {
    "upload": ("1 Upload", ":material/upload_file:"),
    "method": ("2 Method", ":material/tune:"),
    "runs": ("3 Runs", ":material/timer:"),
    "decision": ("4 Decision", ":material/gavel:"),
}


def storage() -> Storage:
    """The team's evaluations and their files."""
    return open_storage()


def needs_sign_in() -> bool:
    """Whether the server's secrets name an identity provider; if not, whoever reaches it is in."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def visitor() -> str | None:
    """Who looks at this page; None where nobody has to sign in."""
    if not needs_sign_in() or not st.user.is_logged_in:
        return None
    # A provider need not tell the address; who it is, it always tells.
    return str(st.user.get("email") or st.user.get("name") or st.user.get("sub"))


def current(page: str) -> StoredEvaluation | None:
    """The evaluation that the address names, or the one this visitor saw last.

    Draws the steps above the page. An id that leads nowhere is said in one sentence.
    """
    asked = st.query_params.get("id")
    id = asked or st.session_state.get("evaluation")
    evaluation = get_evaluation(storage(), id) if id else None
    if evaluation is not None and evaluation.deleted is None:
        st.session_state["evaluation"] = evaluation.id
        st.query_params["id"] = evaluation.id
        _draw_steps(evaluation, page)
        return evaluation
    st.session_state.pop("evaluation", None)
    if asked:
        del st.query_params["id"]
        st.warning("There is no evaluation under this link; it may have been deleted.")
    return None


def required(page: str) -> StoredEvaluation:
    """The evaluation of this page; where there is none, the way to one instead of the page."""
    evaluation = current(page)
    if evaluation is None:
        st.info("Choose an evaluation from the list, or start a new one.")
        with st.container(horizontal=True):
            st.page_link("evaluations.py", label="All evaluations", icon=":material/home:")
            st.page_link("upload.py", label="New evaluation", icon=":material/add:")
        st.stop()
    return evaluation


def go(page: str, id: str) -> None:
    """Leads to a page of an evaluation."""
    st.session_state["evaluation"] = id
    st.switch_page(f"{page}.py", query_params={"id": id})


def link(page: str, id: str) -> str:
    """The address of a page of an evaluation, for a colleague."""
    here = st.context.url or ""
    return f"{here.rsplit('/', 1)[0]}/{page}?id={id}"


def start_copy(evaluation: StoredEvaluation) -> str:
    """A new draft with the same files and request, to change and run again.

    Returns:
        Its id.
    """
    id = create_draft(
        storage(),
        name=evaluation.name,
        created_by=visitor(),
        machine_class=evaluation.machine_class,
    )
    update_draft(
        storage(),
        id,
        model_files=evaluation.model_files,
        data_files=evaluation.data_files,
        model_profile=evaluation.model_profile,
        dataset_profile=evaluation.dataset_profile,
        request=evaluation.request,
    )
    return id


@st.cache_data(ttl=1, show_spinner=False)
def active_jobs() -> tuple[Job, ...]:
    """What runs and waits; one look at the database a second, however many pages are open."""
    return list_jobs(storage())


def running_words(progress: Progress) -> str:
    """The running step, and how long is left, in words."""
    title = next((step.title for step in progress.steps if step.state == "running"), "Starting")
    words = f" ({progress.words})" if progress.words else ""
    return f"{title}{words} - {duration(progress.remaining_s)} left"


def duration(seconds: float) -> str:
    """Seconds as people say them: to the minute from two minutes on."""
    if seconds < 120:
        return f"{max(round(seconds), 1)} s"
    return f"about {round(seconds / 60)} min"


def show_findings(findings: tuple[Finding, ...]) -> None:
    """Draws findings, the grave ones first."""
    order = ("error", "warning", "info")
    for finding in sorted(findings, key=lambda finding: order.index(finding.severity)):
        draw = {"error": st.error, "warning": st.warning, "info": st.info}[finding.severity]
        draw(escaped(finding.sentence), icon=_ICONS[finding.severity])


def show_badge(badge: Badge) -> None:
    """Draws a badge."""
    st.badge(badge.label, icon=badge.icon, color=badge.color)  # type: ignore[arg-type]


def _draw_steps(evaluation: StoredEvaluation, page: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="steps"):
        st.markdown(f"**{escaped(evaluation.name)}**")
        for name, (label, icon) in _STEPS.items():
            st.page_link(
                f"{name}.py",
                label=f"**{label}**" if name == page else label,
                icon=icon,
                query_params={"id": evaluation.id},
                disabled=not _reached(evaluation, name),
            )


def _reached(evaluation: StoredEvaluation, page: str) -> bool:
    ready = evaluation.model_profile is not None and evaluation.dataset_profile is not None
    return {
        "upload": True,
        "method": ready,
        "runs": evaluation.status != "draft",
        "decision": evaluation.status == "finished",
    }[page]


def escaped(text: str) -> str:
    """Text of the user's, not to be read as Markdown."""
    return "".join(
        f"\\{letter}" if letter in r"\`*_{}[]<>()#+-.!|~$:" else letter for letter in text
    )
