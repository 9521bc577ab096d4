"""The story of an evaluation, in order: intake, baseline, candidates, confirmation, verdict.

Each step's result is a record that the journal may checkpoint, and each file a step leaves in
the evaluation's folder can be made again from the model, the dataset and the seed: an
evaluation whose worker died goes on from there, on this machine or on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core import confirm, sandbox, steps
from core.accuracy import samples_needed, shares_samples
from core.bench import BASELINE, Baseline, Bench, Comparison, Confirmation, Footprint, SharedGate
from core.decision import choose, decide, guide, pareto_front
from core.intake import locate_model, profile_model
from core.journal import Journal, PlannedStep
from core.measurement import machine_lock
from core.plan import SWEEP_SHARE, plan_steps
from core.records import (
    AACheck,
    Candidate,
    Estimate,
    Evaluation,
    ModelProfile,
    PreparedData,
    Recipe,
    Request,
    SweepPoint,
)
from core.search import Search


def evaluate(
    *,
    id: str,
    created: str,
    model: Path,
    data: Path,
    request: Request,
    folder: Path,
    journal: Journal,
) -> Evaluation:
    """Evaluates a model against a dataset under a policy.

    Args:
        id: The evaluation's id, as it will stand in its record.
        created: When it was asked for; UTC, ISO 8601.
        model: ``.onnx`` file, with its external data beside it, or a folder or zip of these.
        data: Dataset file or folder.
        request: Policy, deployment, effort and all else that was asked.
        folder: Receives ``models/<candidate>.onnx`` and ``raw/*.parquet``, and holds the
            intermediate files. Not cleaned.
        journal: Runs and remembers the steps.

    Returns:
        The evaluation with its verdict.

    Raises:
        BadInput: The model or the dataset cannot be used; one sentence says why.
        SandboxFailure: A step that the rest depends on crashed or ran out of its limits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal.plan(plan_steps(request))
    source = sandbox.call(locate_model, model, folder / "source")
    profile = journal.step(
        "model", ModelProfile, lambda report: sandbox.call(profile_model, source, report=report)
    )
    guidance = guide(profile)
    with machine_lock(lambda _fraction, words: journal.announce(words)):
        prepared = journal.step(
            "dataset",
            PreparedData,
            lambda report: steps.prepare_data(source, profile, data, request, folder, report),
        )
        bench = Bench(source, profile, prepared, request, folder)
        if not Path(prepared.folder).exists():
            prepared = steps.prepare_again(bench, data)
            bench = Bench(source, profile, prepared, request, folder)

        baseline = journal.step(
            "baseline", Baseline, lambda report: steps.measure_baseline(bench, report)
        )
        recipes: tuple[Recipe, ...] = ()
        if baseline.plausible and guidance.method != "none":
            recipes = journal.step(
                "recipes", tuple[Recipe, ...], lambda _report: steps.list_recipes(bench)
            )
        p50_ms = baseline.latency.latencies[BASELINE.id].p50_ms.value

        def told(tried: Sequence[Recipe], planned: Sequence[PlannedStep]) -> None:
            journal.plan(plan_steps(request, tried, p50_ms, prepared.profile.splits, planned))

        told(recipes, ())
        search = Search(bench, baseline, guidance, journal, told)
        if recipes:
            search.run(recipes, refining=not _shares(bench, len(recipes)))
        candidates = [steps.baseline_candidate(bench, baseline), *search.finalists()]
        steps.write_missing(bench, candidates, lambda _part, words: journal.announce(words))
        if baseline.plausible:
            comparison = journal.step(
                "latency",
                Comparison,
                lambda report: steps.compare_latency(
                    bench, candidates, _budget_left(bench, journal, 0.75), report
                ),
            )
            footprint = journal.step(
                "footprint",
                Footprint,
                lambda report: steps.measure_footprint(bench, candidates, report),
            )
        else:  # It ends here: how fast wrong answers come decides nothing.
            comparison = steps.as_compared(bench, baseline.latency)
            footprint = Footprint({}, {})
        candidates = [steps.with_measurements(row, comparison, footprint) for row in candidates]
        aa_check = comparison.latency.aa_check

        gate = _gate_together(bench, candidates, baseline, journal)
        if gate is not None:
            candidates = [confirm.with_shared_gate(row, gate) for row in candidates]
        chosen = None
        if baseline.plausible:
            chosen = choose(tuple(candidates), request.policy, search.safe)
        if chosen is not None:
            candidates, aa_check = _confirm(bench, candidates, chosen, baseline, gate, journal)
        sweep: tuple[SweepPoint, ...] = ()
        if baseline.plausible:
            sweep = journal.step(
                "sweep",
                tuple[SweepPoint, ...],
                lambda report: confirm.sweep(
                    bench, candidates, chosen, SWEEP_SHARE * request.time_budget_s, report
                ),
            )

    return Evaluation(
        id=id,
        created=created,
        seed=request.seed,
        effort=request.effort,
        model=profile,
        dataset=prepared.profile,
        machine=comparison.machine,
        deployment=request.deployment,
        policy=request.policy,
        guidance=guidance,
        candidates=tuple(candidates),
        aa_check=aa_check,
        sweep=sweep,
        sample_plan=search.sample_plan,
        sensitivity=search.sensitivity,
        front=pareto_front(candidates),
        verdict=decide(
            guidance=guidance,
            candidates=tuple(candidates),
            aa_check=aa_check,
            policy=request.policy,
            dataset=prepared.profile,
            baseline_findings=steps.explain_baseline(profile, baseline),
            samples_needed=samples_needed(candidates, request.policy),
            machine=comparison.machine,
            chosen=chosen,
            sweep=sweep,
            deployment=request.deployment,
        ),
    )


def _gate_together(
    bench: Bench, candidates: list[Candidate], baseline: Baseline, journal: Journal
) -> SharedGate | None:
    """Gates all candidates at once where the confirm split alone could prove nothing."""
    if not _shares(bench, confirm.count_made(candidates)):
        return None
    return journal.step(
        "gate",
        SharedGate,
        lambda report: confirm.gate_on_all(bench, candidates, baseline, report),
    )


def _shares(bench: Bench, made: int) -> bool:
    """Whether so many candidates have to share all samples, as *confirm* is too small alone."""
    return shares_samples(bench.prepared.profile.splits, bench.request.policy, made)


def _confirm(
    bench: Bench,
    candidates: list[Candidate],
    chosen: str,
    baseline: Baseline,
    gate: SharedGate | None,
    journal: Journal,
) -> tuple[list[Candidate], AACheck]:
    """The chosen candidate on unseen samples, timed anew, and calibrated with other samples."""
    row = next(row for row in candidates if row.id == chosen)
    confirmation = journal.step(
        "confirm",
        Confirmation,
        lambda report: confirm.confirm_candidate(
            bench, row, baseline, gate, _budget_left(bench, journal, 1.0), report
        ),
    )
    draws: tuple[Estimate, ...] = ()
    splits = confirm.CONFIRM if gate is None else confirm.BOTH
    if confirmation.accuracy.gate == "pass" and confirm.can_redraw(row.recipe):
        draws = journal.step(
            "draws",
            tuple[Estimate, ...],
            lambda report: confirm.redraw_calibration(bench, row.recipe, baseline, splits, report),
        )
    confirmed = [
        confirm.with_confirmation(each, chosen, confirmation, draws) for each in candidates
    ]
    return confirmed, confirmation.latency.aa_check


def _budget_left(bench: Bench, journal: Journal, share: float) -> float:
    """Seconds until ``share`` of the time budget is spent; enough for a quick look at least."""
    return max(share * bench.request.time_budget_s - journal.elapsed_s, 60.0)
