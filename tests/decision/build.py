"""Measurements to decide on, each figure a parameter."""

from core.records import (
    AACheck,
    Accuracy,
    Candidate,
    DatasetProfile,
    Estimate,
    GatedOn,
    Guidance,
    Latency,
    Method,
    ModelProfile,
    OperatorShare,
    Policy,
    Ratio,
    Recipe,
    Splits,
    Status,
    SweepPoint,
)

SPLITS = Splits(calibration=200, search=300, confirm=600)
BASELINE_BYTES = 80_000_000
BASELINE_MS = 10.0


def latency(
    low=1.6,
    high=1.8,
    p99_ratio: float | None = 1.6,
    p50_ms: float | None = None,
    ratio: float | None = None,
):
    """A candidate's latency, from the interval of its speed-up."""
    ratio = ratio or (low + high) / 2
    p50 = p50_ms or BASELINE_MS / ratio
    p99 = None if p99_ratio is None else BASELINE_MS * 1.3 / p99_ratio
    return Latency(
        runs=1000,
        p50_ms=Estimate(value=p50, low=0.99 * p50, high=1.01 * p50),
        p90_ms=Estimate(value=1.1 * p50, low=1.09 * p50, high=1.12 * p50),
        p99_ms=p99 and Estimate(value=p99, low=0.95 * p99, high=1.05 * p99),
        speedup=Ratio(ratio=ratio, low=low, high=high),
        p99_ratio=p99_ratio and Ratio(ratio=p99_ratio, low=0.9 * p99_ratio, high=1.1 * p99_ratio),
        quantiles_ms=(),
    )


SAMPLES: dict[GatedOn, int] = {
    "search": SPLITS.search,
    "confirm": SPLITS.confirm,
    "search+confirm": SPLITS.search + SPLITS.confirm,
}


def accuracy(low=-0.2, value=0.2, high=0.7, split: GatedOn = "confirm", limit=1.0):
    """An accuracy whose gate follows from the interval of its drop in points."""
    gate = "pass" if high <= limit else "fail" if low > limit else "undecided"
    return Accuracy(
        metric="accuracy",
        split=split,
        samples=SAMPLES[split],
        value=0.9,
        drop_points=Estimate(value=value, low=low, high=high),
        gate=gate,
        agreement=0.98,
        right_to_wrong=5,
        wrong_to_right=3,
        mcnemar_p=0.7,
    )


PASS = {"low": -0.2, "value": 0.2, "high": 0.7}
OPEN = {"low": -0.1, "value": 0.6, "high": 1.4}
UNLIKELY = {"low": 0.3, "value": 1.3, "high": 2.4}
FAIL = {"low": 2.0, "value": 3.0, "high": 4.1}


def candidate(
    name="int8_static",
    method: Method = "int8_static",
    *,
    drop: dict[str, float] | None = None,
    split: GatedOn = "confirm",
    speed: Latency | None = None,
    size_bytes: int | None = 21_000_000,
    status: Status = "measured",
    reason="",
    left_in_float: tuple[str, ...] = (),
    draws: tuple[float, ...] = (),
):
    """A candidate that by default passes and is 1.6-1.8x faster and 74% smaller."""
    found = accuracy(**(drop or PASS), split=split)
    return Candidate(
        id=name,
        recipe=Recipe(id=name, method=method, left_in_float=left_in_float),
        status="rejected" if found.gate == "fail" and split == "search" else status,
        reason=reason,
        size_bytes=size_bytes,
        latency=speed or latency(),
        accuracy=found,
        search_accuracy=found if split == "search" else accuracy(split="search"),
        calibration_draws=drawn(*draws),
    )


def drawn(*values):
    """The drops of other calibration draws, in points."""
    return tuple(Estimate(value=value, low=value - 0.9, high=value + 0.9) for value in values)


def fp16(**changes):
    """FP16: half the file, as fast as the baseline, gated on search."""
    defaults = {"split": "search", "speed": latency(0.96, 0.99, 0.97), "size_bytes": 40_100_000}
    return candidate("float16", "float16", **{**defaults, **changes})


def failed(name="int8_dynamic", method: Method = "int8_dynamic"):
    """A recipe that could not be carried out."""
    recipe = Recipe(id=name, method=method)
    return Candidate(id=name, recipe=recipe, status="failed", reason="No quantizable node.")


def baseline(**changes):
    """The baseline: 80 MB, p50 10 ms, p99 13 ms."""
    zero = accuracy(0.0, 0.0, 0.0)
    fields = {
        "id": "baseline",
        "recipe": Recipe(id="baseline", method="none"),
        "status": "measured",
        "size_bytes": BASELINE_BYTES,
        "latency": latency(1.0, 1.0, 1.0),
        "accuracy": zero,
        "search_accuracy": zero,
    }
    return Candidate(**{**fields, **changes})


def dataset(findings=()):
    """A dataset of 1,100 samples in two classes."""
    return DatasetProfile(
        sha256="0" * 64,
        kind="class_folders",
        samples=1100,
        classes=2,
        class_names=("a", "b"),
        class_counts=(550, 550),
        splits=SPLITS,
        preprocessing=None,
        findings=tuple(findings),
    )


def point(threads, batch_size, baseline_ms, candidate_ms, name="int8_static"):
    """A point of the sweep whose p50s are known within 1% and whose speed-up within 3%."""
    p50 = {"baseline": baseline_ms, name: candidate_ms}
    ratio = baseline_ms / candidate_ms
    return SweepPoint(
        threads=threads,
        batch_size=batch_size,
        p50_ms={
            each: Estimate(value=ms, low=0.99 * ms, high=1.01 * ms) for each, ms in p50.items()
        },
        samples_per_s={each: 1000 * batch_size / ms for each, ms in p50.items()},
        speedup={
            "baseline": Ratio(ratio=1.0, low=1.0, high=1.0),
            name: Ratio(ratio=ratio, low=0.97 * ratio, high=1.03 * ratio),
        },
    )


QUIET = AACheck(ratio=1.001, low=0.99, high=1.01, passed=True)
BUSY = AACheck(ratio=1.08, low=1.02, high=1.14, passed=False)
STATIC = Guidance(method="int8_static", reasons=("This is a convolutional network.",))


def facts(*candidates, **changes):
    """The arguments of ``decide``."""
    defaults = {
        "guidance": STATIC,
        "candidates": (baseline(), *candidates),
        "aa_check": QUIET,
        "policy": Policy(),
        "dataset": dataset(),
    }
    return {**defaults, **changes}


def profile(family="cnn", **changes):
    """An FP32 model of 22 MB of which 97% are convolution weights."""
    fields = {
        "sha256": "0" * 64,
        "size_bytes": 22_000_000,
        "family": family,
        "task": "classification",
        "precision": "float32",
        "opset": 17,
        "parameters": 5_450_000,
        "macs": 400_000_000,
        "inputs": (),
        "outputs": (),
        "operators": (
            OperatorShare(op_type="Conv", nodes=50, weight_bytes=21_146_000, macs=390_000_000),
            OperatorShare(op_type="Gemm", nodes=1, weight_bytes=654_000, macs=10_000_000),
        ),
        "predicted_size_bytes": {
            "float16": 11_100_000,
            "int8_dynamic": 6_100_000,
            "int8_static": 6_140_000,
        },
    }
    return ModelProfile(**{**fields, **changes})
