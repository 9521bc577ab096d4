"""Step 2: which method suits the model, and what the team asks for."""

from dataclasses import replace
from typing import get_args

import streamlit as st

from core.accuracy import plan_samples
from core.decision import explain, guide, method_warning
from core.jobs import submit
from core.protocol import RUNS
from core.records import (
    BadInput,
    DatasetProfile,
    Deployment,
    Effort,
    Gain,
    Guidance,
    Method,
    ModelProfile,
    Policy,
    Request,
)
from core.storage import update_draft
from pages import frame
from pages.profiles import WHAT_CHANGES

_EFFORTS: dict[Effort, str] = {
    "quick": f"Quick: {RUNS['quick']:,} runs a model, no p99",
    "standard": f"Standard: {RUNS['standard']:,} runs a model",
    "thorough": f"Thorough: {RUNS['thorough']:,} runs a model",
}
_GAINS: dict[Gain, str] = {"speed": "Faster answers", "size": "A smaller file"}
_CHOICES: tuple[Method, ...] = tuple(method for method in get_args(Method) if method != "none")


def show_guidance(guidance: Guidance) -> None:
    """The method that usually suits this family, and why."""
    with st.container(border=True):
        if guidance.method == "none":
            st.markdown("#### There is nothing to quantize here")
        else:
            st.markdown(
                f"#### Usually right for this model: {explain.METHOD_TITLES[guidance.method]}"
            )
        st.markdown("\n".join(f"- {frame.escaped(reason)}" for reason in guidance.reasons))
    for warning in guidance.warnings:
        st.warning(warning, icon=":material/warning:")


# Each widget below has a key: without one it would be another widget as soon as what was chosen
# has become the value that it starts from, and would lose every second choice.


def methods_form(
    id: str, profile: ModelProfile, request: Request, *, disabled: bool
) -> tuple[Method, ...] | None:
    """Which methods are tried; all that make sense, unless somebody chooses."""
    automatic = st.toggle(
        "Try every method that makes sense for this model",
        value=request.methods is None,
        key=f"automatic-{id}",
        disabled=disabled,
        help="The comparison shows why the others lose, too.",
    )
    if automatic:
        return None
    chosen = st.pills(
        "Methods",
        _CHOICES,
        selection_mode="multi",
        default=request.methods or _CHOICES,
        key=f"methods-{id}",
        format_func=lambda method: explain.METHOD_TITLES[method],
        disabled=disabled,
    )
    st.caption(
        "  \n".join(
            f"{explain.METHOD_TITLES[method]}: {WHAT_CHANGES[method]}." for method in _CHOICES
        )
    )
    for method in chosen:
        if warning := method_warning(method, profile.family):
            st.warning(warning, icon=":material/warning:")
    return tuple(method for method in _CHOICES if method in chosen)


def policy_form(id: str, policy: Policy, *, disabled: bool) -> Policy:
    """What the team asks for."""
    with st.grid(3):
        drop = st.number_input(
            "Largest accuracy drop, points",
            min_value=0.05,
            max_value=100.0,
            value=policy.max_drop_points,
            key=f"drop-{id}",
            step=0.25,
            help="Percentage points below the baseline. The upper end of the measured drop's "
            "interval is held against this.",
            disabled=disabled,
        )
        speedup = st.number_input(
            "Smallest useful speed-up",
            min_value=1.0,
            max_value=20.0,
            value=policy.min_speedup,
            key=f"speedup-{id}",
            step=0.05,
            help="1.10 means: a tenth faster. Less is not worth the change.",
            disabled=disabled,
        )
        reduction = st.number_input(
            "Smallest useful size reduction, %",
            min_value=1,
            max_value=95,
            value=round(100 * policy.min_size_reduction),
            key=f"reduction-{id}",
            disabled=disabled,
        )
        target = st.number_input(
            "Latency target, ms (optional)",
            min_value=0.001,
            value=policy.latency_target_ms,
            key=f"target-{id}",
            placeholder="none",
            help="If the model meets it already, speed is no reason to quantize.",
            disabled=disabled,
        )
        bandwidth = st.number_input(
            "Bandwidth for cold start, Mbit/s (optional)",
            min_value=0.1,
            value=policy.bandwidth_mbps,
            key=f"bandwidth-{id}",
            placeholder="not counted",
            help="How fast a new replica fetches the model file.",
            disabled=disabled,
        )
    gains = st.pills(
        "What counts as a gain",
        list(_GAINS),
        selection_mode="multi",
        default=policy.gains,
        key=f"gains-{id}",
        format_func=lambda gain: _GAINS[gain],
        disabled=disabled,
    )
    if not gains:
        st.error("Choose at least one gain.", icon=":material/error:")
    return replace(
        policy,
        max_drop_points=drop,
        min_speedup=speedup,
        min_size_reduction=reduction / 100,
        latency_target_ms=target,
        bandwidth_mbps=bandwidth,
        gains=tuple(gains) or policy.gains,
    )


def expectation_form(id: str, request: Request, *, disabled: bool) -> float | None:
    """What the team knows of its model, which the baseline is held against."""
    with st.grid(3):
        percent = st.number_input(
            "Accuracy you expect of your model, % (optional)",
            min_value=0.1,
            max_value=100.0,
            value=None if request.expected_accuracy is None else 100 * request.expected_accuracy,
            key=f"expected-{id}",
            placeholder="not known",
            help="If the baseline is far below it, something is wrong with the preprocessing or "
            "the labels, and the evaluation stops and says so.",
            disabled=disabled,
        )
    return None if percent is None else percent / 100


def deployment_form(id: str, request: Request, *, disabled: bool) -> tuple[Deployment, Effort]:
    """How the model is served, and how much is measured."""
    with st.grid(3):
        threads = st.number_input(
            "Threads per request",
            min_value=1,
            max_value=256,
            value=request.deployment.threads,
            key=f"threads-{id}",
            help="The number you serve with. More threads change what quantization gains.",
            disabled=disabled,
        )
        batch = st.number_input(
            "Batch size",
            min_value=1,
            max_value=4096,
            value=request.deployment.batch_size,
            key=f"batch-{id}",
            disabled=disabled,
        )
        effort = st.selectbox(
            "Effort",
            list(_EFFORTS),
            index=list(_EFFORTS).index(request.effort),
            key=f"effort-{id}",
            format_func=lambda effort: _EFFORTS[effort],
            disabled=disabled,
        )
    return Deployment(threads=threads, batch_size=batch), effort


def show_sample_plan(dataset: DatasetProfile, policy: Policy) -> None:
    """Whether the data can prove what the policy asks, said before the run."""
    plan = plan_samples(dataset.splits, policy)
    sentence = explain.sample_plan(plan)
    if plan.is_likely:
        st.success(sentence, icon=":material/check_circle:")
    elif plan.can_prove:
        st.info(sentence, icon=":material/info:")
    else:
        st.warning(sentence, icon=":material/warning:")


evaluation = frame.required("method")
st.title("Method")
model, dataset = evaluation.model_profile, evaluation.dataset_profile
if model is None or dataset is None:
    st.info("The model and the data come first.")
    st.page_link(
        "upload.py",
        label="Upload them",
        icon=":material/upload_file:",
        query_params={"id": evaluation.id},
    )
    st.stop()
request = evaluation.request or Request()
fixed = evaluation.status != "draft"
guidance = guide(model)
if fixed:
    st.info("This evaluation was started: what was asked can be seen here, not changed.")
    if st.button("Change it in a copy", icon=":material/content_copy:"):
        frame.go("method", frame.start_copy(evaluation))

show_guidance(guidance)
methods = methods_form(evaluation.id, model, request, disabled=fixed)
st.subheader("Policy")
policy = policy_form(evaluation.id, request.policy, disabled=fixed)
st.subheader("Is the data enough?")
show_sample_plan(dataset, policy)
expected = expectation_form(evaluation.id, request, disabled=fixed)
st.subheader("Deployment and effort")
deployment, effort = deployment_form(evaluation.id, request, disabled=fixed)

asked = replace(
    request,
    methods=methods,
    policy=policy,
    expected_accuracy=expected,
    deployment=deployment,
    effort=effort,
)
if not fixed:
    if asked != evaluation.request:
        update_draft(frame.storage(), evaluation.id, request=asked)
    if methods == ():
        st.error("Choose at least one method.", icon=":material/error:")
    if st.button(
        "Measure and decide",
        type="primary",
        icon=":material/play_arrow:",
        disabled=methods == (),
    ):
        try:
            submit(frame.storage(), evaluation.id)
        except BadInput as problem:
            st.error(str(problem), icon=":material/error:")
        else:
            frame.active_jobs.clear()
            frame.go("runs", evaluation.id)
