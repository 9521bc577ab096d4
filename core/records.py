"""The vocabulary of Measure First as frozen, typed records that travel as JSON.

Every word here is used with the same meaning in code, database, pages and documents.
:class:`Evaluation` *is* ``evaluation.json`` (schema 1): its fields, serialised by
:func:`to_json`, are the published contract.

Units are in the names: ``*_ms`` milliseconds, ``*_bytes`` bytes, ``*_points`` percentage
points of accuracy. Shapes are tuples of sizes; a symbolic size is its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

Family = Literal["cnn", "transformer", "rnn", "mlp", "tree_ensemble", "other"]
Precision = Literal["float32", "float16", "int8"]
Method = Literal["none", "float16", "int8_dynamic", "int8_static", "int8_weight_only"]
Calibration = Literal["minmax", "percentile", "entropy", "mse"]
"""How an activation's range follows from its values on the calibration split."""
Task = Literal["classification"]
DataKind = Literal["class_folders", "labels_csv", "npz"]
SplitName = Literal["calibration", "search", "confirm"]
GatedOn = Literal["search", "confirm", "search+confirm"]
"""Which samples an accuracy was measured on; both together only where either is too few."""
MetricName = Literal["balanced_accuracy", "macro_f1", "top5_accuracy"]
Effort = Literal["quick", "standard", "thorough"]
Severity = Literal["info", "warning", "error"]
Gain = Literal["speed", "size"]
IntegerType = Literal["uint8", "int8"]
Status = Literal["measured", "rejected", "failed"]
Gate = Literal["pass", "fail", "undecided"]
Outcome = Literal[
    "ship",
    "ship_for_size",
    "quantize_selectively",
    "try_fp16",
    "not_worth_it",
    "not_enough_evidence",
]

Report = Callable[[float, str], None]
"""Told how far a piece of work is: a fraction from 0 to 1, and a few words."""


class BadInput(Exception):  # noqa: N818  (an input is bad; it is not an error of ours)
    """What the user gave cannot be used.

    The message is one sentence that says what is wrong and what to do; it is shown as it is.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence about a model, a dataset or a machine that the user should know."""

    severity: Severity
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value with its confidence interval, in the unit its field's name gives."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Baseline over candidate (above 1: the candidate is faster) with its 95% interval."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """One step of an evaluation as people watch it."""

    name: str
    title: str
    state: Literal["waiting", "running", "done"]
    seconds: float
    """Spent when done or running, expected when waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an evaluation is."""

    steps: tuple[StepProgress, ...]
    fraction: float
    words: str
    elapsed_s: float
    remaining_s: float
    note: str = ""
    """What was found on the way that people should know before the end."""


# --- the model ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """A model input or output: its ONNX element type (``float``, ``int64``) and shape."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorShare:
    """What one operator type holds of the model: nodes, weight bytes, multiply-accumulates."""

    op_type: str
    nodes: int
    weight_bytes: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """An ONNX file with what we know of it."""

    sha256: str
    size_bytes: int
    family: Family
    task: Task
    precision: Precision
    opset: int
    parameters: int
    macs: int
    """Multiply-accumulates of one sample; 0 where shapes could not be inferred."""
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: tuple[OperatorShare, ...]
    predicted_size_bytes: dict[Method, int]
    """Per method, from the weights that the method really touches."""
    findings: tuple[Finding, ...] = ()


# --- the dataset -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How an image becomes a model input: ``(pixel * scale - mean) / std`` after the resize."""

    preset: str
    color: Literal["RGB", "BGR", "L"] = "RGB"
    height: int = 224
    width: int = 224
    fit: Literal["crop", "stretch"] = "crop"
    """``crop``: shorter side to ``size / crop_fraction``, then the centre; ``stretch``: both."""
    crop_fraction: float = 0.875
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: Literal["float32", "uint8"] = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """How many samples each part of the seeded, stratified split holds."""

    calibration: int
    search: int
    confirm: int

    @property
    def samples(self) -> int:
        """Of all parts together."""
        return self.calibration + self.search + self.confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetProfile:
    """Labelled samples of the user's own, with the preprocessing that makes them inputs."""

    sha256: str
    kind: DataKind
    samples: int
    classes: int
    class_names: tuple[str, ...]
    """By class index: the position in the model's output that each name stands for."""
    class_counts: tuple[int, ...]
    splits: Splits
    preprocessing: Preprocessing | None
    """None: the samples are arrays that go into the model as they are."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """A dataset preprocessed once, on disk, in the order of its splits.

    ``folder`` holds ``inputs/<position>.npy`` for each model input (float32 or the input's own
    type, shape ``(samples, ...)``, no batch axis missing) and ``labels.npy`` (int64, shape
    ``(samples,)``). Samples ``[0, calibration)`` are the calibration split, then search, then
    confirm.
    """

    folder: str
    input_names: tuple[str, ...]
    profile: DatasetProfile


# --- what the team asks for --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the team asks for before a candidate may replace the baseline."""

    max_drop_points: float = 1.0
    min_speedup: float = 1.10
    max_p99_ratio: float = 1.05
    """The candidate's p99 over the baseline's may not be above this."""
    min_size_reduction: float = 0.25
    """Smallest useful part of the file that must go, when size counts as a gain."""
    gains: tuple[Gain, ...] = ("speed", "size")
    latency_target_ms: float | None = None
    bandwidth_mbps: float | None = None
    """Megabits per second at which a new replica fetches the model; part of its cold start."""
    confidence: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """How the team serves the model; every measurement uses these session options."""

    threads: int = 1
    batch_size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that decides an evaluation apart from the two files."""

    task: Task = "classification"
    preprocessing: Preprocessing | None = None
    """None: found by trying the presets on the baseline ("auto"); unused for arrays."""
    policy: Policy = field(default_factory=Policy)
    deployment: Deployment = field(default_factory=Deployment)
    effort: Effort = "standard"
    methods: tuple[Method, ...] | None = None
    """None: all that make sense for the family ("auto")."""
    expected_accuracy: float | None = None
    """Share of right answers that the baseline is known to give, 0 to 1; None: not stated."""
    seed: int = 0
    time_budget_s: float = 3600.0


# --- recipes and what was measured -------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to make a smaller model: a method and all its settings."""

    id: str
    method: Method
    activation_type: IntegerType = "uint8"
    weight_type: IntegerType = "int8"
    per_channel: bool = True
    reduce_range: bool = False
    """Quantize weights to 7 bits, so that 16-bit sums cannot saturate on x86 without VNNI."""
    calibration: Calibration = "minmax"
    percentile: float = 99.99
    """Of an activation's values, those that a percentile range holds; the rest is clipped."""
    calibration_samples: int = 0
    op_types: tuple[str, ...] = ()
    """Operator types that become INT8; empty for methods that take the whole graph."""
    left_in_float: tuple[str, ...] = ()
    """Names of nodes that stay FP32."""
    fuse: bool = False
    """Fuse attention, layer normalisation and GELU of a transformer first."""
    equalize: bool = False
    """Even out the channels of adjacent layers first (cross-layer equalisation)."""
    smooth: float | None = None
    """Share of the activations' outliers that goes into the weights first (SmoothQuant's alpha)."""
    correct_bias: bool = False
    """Take the mean error that quantization adds to each channel back out of its bias."""
    im2col: tuple[str, ...] = ()
    """Names of static convolutions that run as matrix products: the same answers, where faster."""
    block_size: int = 0
    """Weights that share a scale along the input axis, for weight-only; 0: a whole row."""
    note: str = ""
    """Why this recipe is tried, or a warning to show beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of one run at the deployment's batch size, from interleaved rounds."""

    runs: int
    p50_ms: Estimate
    p90_ms: Estimate
    p99_ms: Estimate | None
    """None below 500 runs: too few to say anything about one run in a hundred."""
    speedup: Ratio
    p99_ratio: Ratio | None
    """The baseline's p99 over the candidate's; None where p99 is."""
    quantiles_ms: tuple[float, ...]
    """The 0th, 1st ... 100th percentile of the raw samples, for charts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """From an empty process to the first answer, median of fresh processes."""

    value: float
    low: float
    high: float
    processes: int
    session_ms: float
    first_run_ms: float
    download_ms: float | None
    """File size over the policy's bandwidth, included in ``value``; None: none was stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Another metric than accuracy on the same samples; shown, never the gate."""

    metric: MetricName
    value: float
    """0 to 1."""
    drop_points: Estimate | None
    """Against the baseline. None for the baseline and, for what is bounded by the bootstrap,
    where no answer that the metric counts changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAccuracy:
    """How one class fares; only classes with samples have one."""

    label: int
    """Class index; the dataset's ``class_names`` has its name."""
    samples: int
    value: float
    """Share of right answers, 0 to 1."""
    right_to_wrong: int
    wrong_to_right: int
    p_holm: float | None
    """One-sided exact p-value that it loses nothing, corrected by Holm for the number of
    classes. None for the baseline."""

    @property
    def lost(self) -> float:
        """Share of right answers lost against the baseline; negative where some were gained."""
        return (self.right_to_wrong - self.wrong_to_right) / self.samples

    @property
    def baseline_value(self) -> float:
        """Share of right answers that the baseline gives on the same samples, 0 to 1."""
        return self.value + self.lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Accuracy on one split, and the drop against the baseline on the same samples."""

    metric: str
    split: GatedOn
    samples: int
    value: float
    """Share of right answers, 0 to 1."""
    drop_points: Estimate
    """Two-sided score interval whose ends are the one-sided bounds at ``confidence``."""
    confidence: float = 0.95
    """The policy's; higher where several candidates share the same samples (Holm)."""
    gate: Gate
    agreement: float
    right_to_wrong: int
    wrong_to_right: int
    mcnemar_p: float | None
    """Exact; shown, never the gate. None for the baseline."""
    error_ratio: float | None = None
    """Wrong answers over the baseline's; None for the baseline, and where that gives none."""
    metrics: tuple[Metric, ...] = ()
    classes: tuple[ClassAccuracy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The model a recipe made and its measurement, or why there is none."""

    id: str
    recipe: Recipe
    status: Status
    reason: str = ""
    sha256: str | None = None
    size_bytes: int | None = None
    file: str | None = None
    """Path relative to the evaluation's folder."""
    latency: Latency | None = None
    cold_start_ms: ColdStart | None = None
    peak_rss_bytes: int | None = None
    accuracy: Accuracy | None = None
    """What the verdict rests on: the confirm split where it was gated there, else search."""
    search_accuracy: Accuracy | None = None
    search_speedup: Ratio | None = None
    """From a short interleaved run, by which the search ranks; the verdict never rests on it."""
    calibration_draws: tuple[Estimate, ...] = ()
    """Drop in points on the same samples as ``accuracy``, of the same recipe with its ranges
    from other draws of calibration samples; empty where that was not tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AACheck:
    """The baseline against itself in the same rounds; must contain 1 and lie within 5%."""

    ratio: float
    low: float
    high: float
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What disturbed the measurement, over its whole length."""

    steal_share: float | None = None
    throttled_share: float | None = None
    involuntary_switches_per_s: float | None = None
    swapped_pages_per_s: float | None = None
    """Memory pages written to or read from swap, by the whole machine."""
    load_average: float | None = None
    drift: float | None = None
    """Last quarter of the baseline's rounds over the first, minus 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A CPU that measures, with its fingerprint."""

    cpu_model: str
    architecture: str
    flags: tuple[str, ...]
    """Of the flags that decide types and speed, those this CPU has."""
    cores: int
    cpu_quota: float | None
    governor: str | None
    ram_bytes: int
    os: str
    libraries: dict[str, str]
    session_options: dict[str, str]
    noise: Noise = field(default_factory=Noise)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """The baseline and one candidate with other threads or another batch size, interleaved."""

    threads: int
    batch_size: int
    p50_ms: dict[str, Estimate]
    """Of one run (one batch), by candidate."""
    samples_per_s: dict[str, float]
    """Throughput of one session that is never idle, by candidate."""
    speedup: dict[str, Ratio]
    """Against the baseline at the same point, by candidate; the baseline's own is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCost:
    """What it costs to quantize one block: a layer with what onnxruntime runs along with it."""

    name: str
    """Of its layer's node."""
    op_type: str
    """Of its layer's node."""
    nodes: tuple[str, ...]
    weight_bytes: int
    sqnr_db: float | None
    """Signal to quantization noise at the block's output, with its own inputs in FP32."""
    output_error: float | None
    """Noise over signal at the model's output if only this block is quantized, without the mean
    noise of all samples, which bias correction takes back. None where the recipe leaves the block
    in FP32, or the time did not reach it."""
    float_ms: float | None
    """One run of the block in the FP32 model."""
    int8_ms: float | None
    """One run of the same nodes in the quantized model, conversions at its borders included."""
    im2col_ms: float | None = None
    """The same with the block's layer as a matrix product. None where it is no convolution, or
    none that can run as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Where a static recipe loses accuracy, and where it loses time, block by block."""

    recipe: str
    """Id of the recipe whose blocks these are."""
    samples: int
    """Calibration samples that the errors were measured on."""
    blocks: tuple[BlockCost, ...]
    """In the graph's order."""


# --- what was decided ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlan:
    """What a dataset can prove under a policy, and the dataset that could prove it."""

    samples: int
    """Of the whole dataset."""
    confirm_samples: int
    threshold_points: float
    provable_points: float
    """The smallest drop that the confirm split can exclude, if no answer changes at all."""
    least_confirm_samples: int | None
    """The fewest confirm samples that can prove the threshold, if no answer changes at all."""
    flip_rate: float
    """For the counts below: this share of answers changes, as often for the better."""
    flips_seen_on: int = 0
    """Samples on which the flip rate was observed; 0: it is assumed."""
    likely_confirm_samples: int | None
    """Confirm samples that prove the threshold in 80% of evaluations; None: none do."""
    likely_samples: int | None
    """The same as samples of the whole dataset."""
    very_likely_confirm_samples: int | None
    """Confirm samples that prove the threshold in 90% of evaluations; None: none do."""
    very_likely_samples: int | None = None
    """The same as samples of the whole dataset."""

    @property
    def can_prove(self) -> bool:
        """Whether the gate passes at least a candidate that changes no answer."""
        return self.provable_points <= self.threshold_points

    @property
    def is_likely(self) -> bool:
        """Whether a harmless candidate passes in at least 80% of evaluations."""
        needed = self.likely_confirm_samples
        return needed is not None and self.confirm_samples >= needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """The method that usually suits the family, before anything was measured."""

    method: Method
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Outcome, candidate, reasons and what would change the answer."""

    outcome: Outcome
    candidate: str | None
    sentence: str
    reasons: tuple[str, ...]
    next_steps: tuple[str, ...]
    would_change: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All of it, from request to verdict: the unit of work, of history and of sharing."""

    schema: Literal[1] = 1
    id: str
    created: str
    """UTC, ISO 8601."""
    seed: int
    effort: Effort
    model: ModelProfile
    dataset: DatasetProfile
    machine: Machine
    deployment: Deployment
    policy: Policy
    guidance: Guidance
    candidates: tuple[Candidate, ...]
    """The baseline is always the first."""
    aa_check: AACheck | None
    sweep: tuple[SweepPoint, ...] = ()
    """Threads and batch sizes beside the deployment's, for the baseline and the candidate that
    was confirmed (or is the fastest)."""
    sample_plan: SamplePlan | None = None
    """With the flip rate that the first candidate showed; None where none was checked."""
    sensitivity: Sensitivity | None = None
    """None where no static recipe needed it."""
    front: tuple[str, ...] = ()
    """Candidates that no other beats in latency, drop and size together (Pareto front), fastest
    first; the baseline may be one of them."""
    verdict: Verdict


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Building an adapter costs milliseconds, using it microseconds.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_plain(record: Any, kind: Any = None) -> Any:
    """Turns a record (or a container of records, with its type) into plain JSON values."""
    return _adapter(kind or type(record)).dump_python(record, mode="json")


def to_json(record: Any) -> str:
    """Serialises a record as indented JSON text."""
    return json.dumps(to_plain(record), indent=2, ensure_ascii=False, allow_nan=False)


def from_plain(kind: type[T], plain: Any) -> T:
    """Builds a record from plain JSON values.

    Raises:
        pydantic.ValidationError: A field is missing or of the wrong type.
    """
    result: T = _adapter(kind).validate_python(plain)
    return result


def from_json(kind: type[T], text: str | bytes) -> T:
    """Builds a record from JSON text.

    Raises:
        pydantic.ValidationError: The text is not JSON, or not this record.
    """
    result: T = _adapter(kind).validate_json(text)
    return result
