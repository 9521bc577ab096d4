"""Step 1: the model and the data, what was found in them, and the preprocessing."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.datasets import PRESETS, applicable_presets
from core.records import BadInput, ModelProfile, Preprocessing, Request
from core.sandbox import SandboxFailure
from core.storage import StoredEvaluation, StoredFile, create_draft, update_draft
from core.uploads import Preview, check_dataset, check_model, preview_samples, try_presets
from pages import charts, frame, profiles
from pages.transfer import streamed_files

_AUTOMATIC = "automatic"
_CUSTOM = "custom"


def draft_id(evaluation: StoredEvaluation | None, name: str) -> str:
    """The draft that uploads go into; made with the first file."""
    if evaluation is not None:
        return evaluation.id
    id = create_draft(frame.storage(), name=name, created_by=frame.visitor())
    st.session_state["evaluation"] = id
    st.query_params["id"] = id
    return id


def keep(files: Sequence[UploadedFile]) -> tuple[StoredFile, ...]:
    """Puts uploaded files into the store; once, however often the page is drawn."""
    kept: dict[str, StoredFile] = st.session_state.setdefault("kept", {})
    for file in files:
        if file.file_id not in kept:
            kept[file.file_id] = frame.storage().files.put(file, file.name)
    return tuple(kept[file.file_id] for file in files)


def take_model(evaluation: StoredEvaluation | None, files: tuple[StoredFile, ...]) -> None:
    """Checks an uploaded model and, if it can be used, makes it the draft's."""
    with st.spinner("Reading the model in the sandbox"):
        profile = check_model(frame.storage(), files)
    main = next((file.name for file in files if file.name.endswith(".onnx")), files[0].name)
    id = draft_id(evaluation, main.rsplit(".", 1)[0])
    update_draft(frame.storage(), id, model_files=files, model_profile=profile)
    if evaluation is not None and evaluation.data_files:
        try:
            take_data(id, profile, evaluation.data_files)
        except (BadInput, SandboxFailure) as problem:
            # The old data does not fit the new model.
            update_draft(frame.storage(), id, data_files=())
            st.session_state["data-problem"] = str(problem)


def take_data(id: str, model: ModelProfile, files: tuple[StoredFile, ...]) -> None:
    """Checks an uploaded dataset and, if it can be used, makes it the draft's."""
    with st.spinner("Reading the data in the sandbox"):
        profile = check_dataset(frame.storage(), files, model, None)
    update_draft(frame.storage(), id, data_files=files, dataset_profile=profile)


def show_uploader(role: str, label: str, help: str) -> tuple[StoredFile, ...]:
    """Uploads of one role, small ones through the form and large ones streamed to disk."""
    generation = st.session_state.setdefault(f"{role}-generation", 0)
    files = st.file_uploader(
        label, accept_multiple_files=True, key=f"{role}-files-{generation}", help=help
    )
    assert isinstance(files, list)
    with st.expander("Larger than 200 MB?", icon=":material/cloud_upload:"):
        streamed = streamed_files(f"{role}-streamed-{generation}")
    kept = keep(files)
    # A large file that was turned away stays in its uploader, and must not hide a better one.
    return kept if kept and (not streamed or rejected(role, streamed)) else streamed


def rejected(role: str, files: tuple[StoredFile, ...]) -> str | None:
    """The sentence with which these very files were turned away before."""
    seen: dict[tuple[str, ...], str] = st.session_state.setdefault(f"{role}-rejected", {})
    return seen.get(tuple(file.sha256 + file.name for file in files))


def reject(role: str, files: tuple[StoredFile, ...], problem: Exception) -> None:
    """Remembers it, so that a rerun of the page does not read bad files again."""
    seen = st.session_state.setdefault(f"{role}-rejected", {})
    seen[tuple(file.sha256 + file.name for file in files)] = str(problem)


def replace_files(role: str, id: str) -> None:
    """Offers the empty uploader again, for this draft."""
    st.session_state[f"{role}-replacing"] = id
    st.session_state[f"{role}-generation"] = st.session_state.get(f"{role}-generation", 0) + 1


def model_section(evaluation: StoredEvaluation | None) -> None:
    """The model: its uploader, or what was found in it."""
    st.subheader("Model")
    replacing = st.session_state.get("model-replacing")
    if evaluation and evaluation.model_profile and replacing != evaluation.id:
        profiles.show_model(evaluation.model_files, evaluation.model_profile)
        if evaluation.status == "draft":
            st.button(
                "Replace the model",
                icon=":material/swap_horiz:",
                on_click=replace_files,
                args=("model", evaluation.id),
            )
        return
    files = show_uploader(
        "model",
        "ONNX model (FP32): .onnx, .onnx together with its .onnx.data, or a .zip of these",
        "Today's PyTorch exporter writes two files even for small models: choose both at once.",
    )
    if not files:
        return
    sentence = rejected("model", files)
    if sentence is None:
        try:
            take_model(evaluation, files)
        except (BadInput, SandboxFailure) as problem:
            reject("model", files, problem)
            sentence = str(problem)
        else:
            st.session_state["model-replacing"] = None
            st.rerun()
    st.error(frame.escaped(sentence), icon=":material/error:")


def data_section(evaluation: StoredEvaluation) -> None:
    """The dataset: its uploader, or what was found in it."""
    st.subheader("Labelled data")
    assert evaluation.model_profile is not None
    if evaluation.dataset_profile and st.session_state.get("data-replacing") != evaluation.id:
        profiles.show_dataset(evaluation.data_files, evaluation.dataset_profile)
        st.plotly_chart(
            charts.classes_figure(evaluation.dataset_profile),
            key="classes",
            alt="Number of samples in each class",
        )
        if evaluation.status == "draft":
            st.button(
                "Replace the data",
                icon=":material/swap_horiz:",
                on_click=replace_files,
                args=("data", evaluation.id),
            )
        return
    if "data-problem" in st.session_state:
        problem = frame.escaped(st.session_state.pop("data-problem"))
        st.warning(problem, icon=":material/warning:")
    files = show_uploader(
        "data",
        "Labelled samples: .zip of class folders, pictures with labels.csv, or .npz",
        "Samples that the model was not trained on. Several hundred are the least that can prove "
        "a small accuracy drop. If the zip holds a training.txt with the SHA-256 digests of the "
        "training files (as sha256sum prints them), those files are kept out of the evidence.",
    )
    if not files:
        return
    sentence = rejected("data", files)
    if sentence is None:
        try:
            take_data(evaluation.id, evaluation.model_profile, files)
        except (BadInput, SandboxFailure) as problem:
            reject("data", files, problem)
            sentence = str(problem)
        else:
            st.session_state["data-replacing"] = None
            st.rerun()
    st.error(frame.escaped(sentence), icon=":material/error:")


def preprocessing_section(evaluation: StoredEvaluation) -> None:
    """How pictures become model inputs, with a preview."""
    assert evaluation.model_profile is not None
    presets = applicable_presets(evaluation.model_profile.inputs[0])
    request = evaluation.request or Request()
    chosen = request.preprocessing
    editable = evaluation.status == "draft"
    st.subheader("Preprocessing")
    st.caption("It must be the one of the model's training, or no accuracy means anything.")
    names = [_AUTOMATIC, *presets, _CUSTOM]
    current = chosen.preset if chosen is not None and chosen.preset in names else _AUTOMATIC
    # The same widgets whatever is chosen in them, and others once something was found for them.
    times, found = st.session_state.get(f"found-{evaluation.id}", (0, ""))
    key = f"{evaluation.id}-{times}"
    name = st.selectbox(
        "Preset",
        names,
        index=names.index(current),
        format_func=_title,
        disabled=not editable,
        key=f"preset-{key}",
    )
    selected: Preprocessing | None = None
    if name == _CUSTOM:
        start = chosen or next(iter(presets.values()))
        selected = profiles.custom_preprocessing(key, start, disabled=not editable)
    elif name != _AUTOMATIC:
        st.caption(PRESETS[name].when)
        selected = presets[name]
    if editable and selected != chosen:
        changed = replace(request, preprocessing=selected)
        update_draft(frame.storage(), evaluation.id, request=changed)
    if editable and st.button("Find it for me", icon=":material/search:"):
        find_now(evaluation, request)
    if found:
        st.caption(found)
    try:
        samples = previews(evaluation.data_files, selected or next(iter(presets.values())))
    except (BadInput, SandboxFailure) as problem:
        st.error(frame.escaped(str(problem)), icon=":material/error:")
    else:
        profiles.show_previews(samples)


def find_now(evaluation: StoredEvaluation, request: Request) -> None:
    """Tries each preset on the model and takes the most accurate."""
    assert evaluation.model_profile is not None
    with st.status("Trying each preset on the model") as status:
        try:
            found = try_presets(
                frame.storage(),
                evaluation.model_files,
                evaluation.data_files,
                evaluation.model_profile,
                lambda _fraction, words: status.update(label=words.capitalize()),
            )
        except (BadInput, SandboxFailure) as problem:
            status.update(label=str(problem), state="error")
            return
    scores = ", ".join(
        f"{PRESETS[name].title} {accuracy:.0%}" for name, accuracy in found.accuracies.items()
    )
    times, _ = st.session_state.get(f"found-{evaluation.id}", (0, ""))
    st.session_state[f"found-{evaluation.id}"] = (
        times + 1,
        f"Right answers of the model on {found.samples} samples: {scores}.",
    )
    changed = replace(request, preprocessing=found.best)
    update_draft(frame.storage(), evaluation.id, request=changed)
    st.rerun()


@st.cache_data(max_entries=50, show_spinner="Preprocessing some samples")
def previews(files: tuple[StoredFile, ...], preprocessing: Preprocessing) -> tuple[Preview, ...]:
    """Samples before and after; kept, for every rerun of the page asks for them."""
    return preview_samples(frame.storage(), files, preprocessing)


def _title(name: str) -> str:
    if name == _AUTOMATIC:
        return "Automatic: try each on the model when it runs, keep the most accurate"
    return "Custom" if name == _CUSTOM else PRESETS[name].title


evaluation = frame.current("upload")
st.title("Upload")
if evaluation is not None and evaluation.status != "draft":
    st.info("This evaluation was started: what it rests on can be seen here, not changed.")
    if st.button("Change it in a copy", icon=":material/content_copy:"):
        frame.go("upload", frame.start_copy(evaluation))
model_section(evaluation)
if evaluation is not None and evaluation.model_profile is not None:
    data_section(evaluation)
    if evaluation.dataset_profile is not None:
        if evaluation.dataset_profile.kind != "npz":
            preprocessing_section(evaluation)
        if st.button("Continue to the method", type="primary", icon=":material/arrow_forward:"):
            frame.go("method", evaluation.id)
