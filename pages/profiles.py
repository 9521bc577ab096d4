"""How a model, a dataset and a preprocessing look on the pages."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Literal

import streamlit as st

from core.decision import explain
from core.records import DatasetProfile, Family, Method, ModelProfile, Preprocessing, TensorInfo
from core.storage import StoredFile
from core.uploads import Preview
from pages import frame

_COLORS: tuple[Literal["RGB", "BGR", "L"], ...] = ("RGB", "BGR", "L")
_FITS: tuple[Literal["crop", "stretch"], ...] = ("crop", "stretch")
_INTERPOLATIONS: tuple[Literal["nearest", "bilinear", "bicubic"], ...] = (
    "nearest",
    "bilinear",
    "bicubic",
)

FAMILIES: dict[Family, str] = {
    "cnn": "CNN",
    "transformer": "Transformer",
    "rnn": "RNN",
    "mlp": "MLP",
    "tree_ensemble": "Tree ensemble",
    "other": "Other",
}

WHAT_CHANGES: dict[Method, str] = {
    "float16": "weights to 16-bit floats",
    "int8_dynamic": "weights to 8 bits; activation ranges computed at each run",
    "int8_static": "weights and activations to 8 bits; activation ranges learned from your "
    "calibration samples",
    "int8_weight_only": "weights are stored in 8 bits, activations stay floats: a small file, "
    "hardly any accuracy lost, about as fast as before",
}


def show_model(files: Sequence[StoredFile], profile: ModelProfile) -> None:
    """A model's profile: what it is, where its bytes and its work are."""
    st.caption("Files: " + ", ".join(frame.escaped(file.name) for file in files))
    with st.grid(4):
        st.metric("Family", FAMILIES[profile.family], border=True)
        st.metric("Size", explain.size(profile.size_bytes), border=True)
        st.metric("Parameters", explain.big_number(profile.parameters), border=True)
        st.metric(
            "Work per sample",
            f"{explain.big_number(profile.macs)} MACs" if profile.macs else "unknown",
            border=True,
            help="Multiply-accumulate operations of one run on one sample.",
        )
    frame.show_findings(profile.findings)
    with st.expander("Inputs, operators and predicted sizes", icon=":material/account_tree:"):
        st.table(
            {
                "Opset": str(profile.opset),
                "Precision": profile.precision,
                "Inputs": "; ".join(_tensor(tensor) for tensor in profile.inputs),
                "Outputs": "; ".join(_tensor(tensor) for tensor in profile.outputs),
            },
            border="horizontal",
            alt="Inputs and outputs of the model",
        )
        weights = sum(operator.weight_bytes for operator in profile.operators) or 1
        work = sum(operator.macs for operator in profile.operators) or 1
        ranked = sorted(profile.operators, key=lambda o: (o.macs, o.weight_bytes), reverse=True)
        st.dataframe(
            {
                "operator": [operator.op_type for operator in ranked],
                "nodes": [operator.nodes for operator in ranked],
                "share of the weights": [operator.weight_bytes / weights for operator in ranked],
                "share of the work": [operator.macs / work for operator in ranked],
            },
            column_config={
                name: st.column_config.ProgressColumn(name, format="percent", max_value=1.0)
                for name in ("share of the weights", "share of the work")
            },
            hide_index=True,
            alt="Weights and work by operator type",
        )
        st.caption("Predicted file size, from the weights that each method really touches:")
        st.table(
            {
                explain.METHOD_TITLES[
                    method
                ]: f"{explain.size(size)} ({size / profile.size_bytes:.0%})"
                for method, size in profile.predicted_size_bytes.items()
                if method != "none"
            },
            border="horizontal",
            alt="Predicted file size by method",
        )


def show_dataset(files: Sequence[StoredFile], profile: DatasetProfile) -> None:
    """A dataset's profile: how much there is, and how it will be split."""
    st.caption("Files: " + ", ".join(frame.escaped(file.name) for file in files))
    with st.grid(5):
        st.metric("Samples", f"{profile.samples:,}", border=True)
        st.metric("Classes", str(profile.classes), border=True)
        st.metric(
            "Calibration",
            f"{profile.splits.calibration:,}",
            border=True,
            help="Sets the ranges of INT8 static; never judges.",
        )
        st.metric(
            "Search",
            f"{profile.splits.search:,}",
            border=True,
            help="Compares the candidates.",
        )
        st.metric(
            "Confirm",
            f"{profile.splits.confirm:,}",
            border=True,
            help="Looked at once, for the final answer.",
        )
    frame.show_findings(profile.findings)


def show_previews(samples: Sequence[Preview]) -> None:
    """Samples before and after preprocessing, side by side."""
    with st.grid("auto", min_column_width=190):
        for sample in samples:
            with st.container(border=True):
                st.markdown(f"**{frame.escaped(sample.label)}**")
                with st.container(horizontal=True):
                    st.image(sample.original, width=72, alt=f"{sample.label}, as uploaded")
                    st.image(sample.preprocessed, width=72, alt=f"{sample.label}, preprocessed")
                st.caption(f"values {sample.minimum:.2f} to {sample.maximum:.2f}")


def custom_preprocessing(key: str, start: Preprocessing, *, disabled: bool) -> Preprocessing:
    """The form of a preprocessing that no preset describes; it starts from one that is near."""
    with st.grid(4):
        color = st.selectbox(
            "Colour order",
            _COLORS,
            _COLORS.index(start.color),
            key=f"color-{key}",
            help="L is grey.",
            disabled=disabled,
        )
        fit = st.selectbox(
            "Fit",
            _FITS,
            _FITS.index(start.fit),
            key=f"fit-{key}",
            help="Crop keeps the proportions and takes the centre.",
            disabled=disabled,
        )
        interpolation = st.selectbox(
            "Interpolation",
            _INTERPOLATIONS,
            _INTERPOLATIONS.index(start.interpolation),
            key=f"interpolation-{key}",
            disabled=disabled,
        )
        crop = st.number_input(
            "Part kept by the crop",
            0.1,
            1.0,
            start.crop_fraction,
            0.005,
            format="%.3f",
            key=f"crop-{key}",
            disabled=disabled or fit == "stretch",
        )
        divisor = st.number_input(
            "Divide pixels by",
            0.001,
            65535.0,
            1 / start.scale,
            0.5,
            key=f"divisor-{key}",
            disabled=disabled,
        )
        mean = st.text_input(
            "Subtract (one number, or one per channel)",
            ", ".join(f"{value:g}" for value in start.mean),
            key=f"mean-{key}",
            disabled=disabled,
        )
        std = st.text_input(
            "Then divide by",
            ", ".join(f"{value:g}" for value in start.std),
            key=f"std-{key}",
            disabled=disabled,
        )
    channels = 1 if color == "L" else 3
    means, stds = _numbers(mean, channels), _numbers(std, channels)
    if means is None or stds is None or 0 in stds:
        st.error(
            f"Give one number or {channels} numbers with commas between, and no 0 to divide by.",
            icon=":material/error:",
        )
        return start
    return replace(
        start,
        preset="custom",
        color=color,
        fit=fit,
        interpolation=interpolation,
        crop_fraction=crop,
        scale=1 / divisor,
        mean=means,
        std=stds,
    )


def _numbers(text: str, channels: int) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    fit = len(numbers) in (1, channels) and all(isfinite(number) for number in numbers)
    return numbers if fit else None


def _tensor(tensor: TensorInfo) -> str:
    return f"{tensor.name}: {tensor.dtype} {list(tensor.shape)}"
