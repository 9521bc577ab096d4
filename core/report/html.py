"""An evaluation as one self-contained HTML page."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from core.decision import block_costs, explain
from core.decision.front import arranged, front_of
from core.records import Evaluation


def to_html(evaluation: Evaluation, name: str) -> str:
    """Renders the report; every text of the user's is escaped.

    Args:
        evaluation: With its verdict.
        name: What the team calls it.
    """
    return _render("report.html.j2", evaluation, name)


def to_plain_html(evaluation: Evaluation, name: str) -> str:
    """Renders only the report's contents, in the few tags that a PDF writer knows."""
    return _render("contents.html.j2", evaluation, name)


def _render(template: str, evaluation: Evaluation, name: str) -> str:
    environment = Environment(
        loader=FunctionLoader(_load), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals.update(explain=explain, block_costs=block_costs)
    rows = {candidate.id: candidate for candidate in evaluation.candidates}
    return environment.get_template(template).render(
        e=evaluation,
        name=name,
        baseline=evaluation.candidates[0],
        chosen=rows.get(evaluation.verdict.candidate or ""),
        front=front_of(evaluation),
        timed=arranged(evaluation),
        titles=explain.candidate_titles(evaluation.candidates),
        title=explain.OUTCOME_TITLES[evaluation.verdict.outcome],
    )


def _load(name: str) -> str:
    return files("core.report").joinpath("templates", name).read_text(encoding="utf-8")
