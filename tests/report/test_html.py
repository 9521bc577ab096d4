from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from core.decision import block_costs, explain
from core.records import Evaluation
from core.report import to_html
from core.report.html import to_plain_html
from tests.command import Run
from tests.pages.searched import searched

SCRIPT = "<script>alert('hello')</script>"


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def hostile(evaluation: Evaluation) -> Evaluation:
    """An evaluation whose every text that comes from an upload tries to be a script."""
    first, second, *others = evaluation.candidates
    return replace(
        evaluation,
        candidates=(first, replace(second, reason=f"Node {SCRIPT} cannot be run."), *others),
        verdict=replace(evaluation.verdict, reasons=(SCRIPT,), would_change=(SCRIPT,)),
    )


def test_the_page_says_what_was_found(example_run: Run) -> None:
    evaluation = example_run.evaluation
    page = Page(to_html(evaluation, "Digits, third try"))

    assert "Digits, third try" in page.words
    assert evaluation.verdict.sentence in page.words
    for said in (*evaluation.verdict.reasons, *evaluation.verdict.next_steps):
        assert said in page.words
    for candidate in evaluation.candidates:
        assert candidate.id in page.words
        assert explain.recipe_title(candidate.recipe) in page.words
        if candidate.latency is None:
            continue
        assert explain.milliseconds(candidate.latency.p50_ms.value) in page.words
    for fingerprint in (evaluation.model.sha256, evaluation.dataset.sha256, evaluation.id):
        assert fingerprint in page.words
    assert evaluation.machine.cpu_model in page.words
    assert len(evaluation.sweep) > 1
    for point in evaluation.sweep:
        assert explain.milliseconds(point.p50_ms["baseline"].value) in page.words
    timed = [row for row in evaluation.candidates if row.latency is not None]
    blocks = len(evaluation.sensitivity.blocks[:10]) + 1 if evaluation.sensitivity else 0
    assert page.tags.count("tr") == 2 + len(timed) + len(evaluation.sweep) + blocks


def test_a_page_needs_nothing_but_itself(example_run: Run) -> None:
    html = to_html(example_run.evaluation, "Digits")
    assert html.startswith("<!doctype html>")
    assert {"script", "link", "img", "iframe"}.isdisjoint(Page(html).tags)
    assert "http" not in html


def test_names_from_an_upload_are_text_and_never_tags(example_run: Run) -> None:
    for render in (to_html, to_plain_html):
        html = render(hostile(example_run.evaluation), SCRIPT)
        page = Page(html)
        assert "script" not in page.tags
        assert "<script" not in html
        assert page.words.count(SCRIPT) >= 4


def test_a_candidate_that_failed_is_a_row_with_its_reason(example_run: Run) -> None:
    evaluation = example_run.evaluation
    failed = replace(
        evaluation.candidates[1],
        status="failed",
        reason="It could not be made.",
        sha256=None,
        size_bytes=None,
        file=None,
        latency=None,
        cold_start_ms=None,
        accuracy=None,
    )
    rows = (evaluation.candidates[0], failed, *evaluation.candidates[2:])
    page = Page(to_html(replace(evaluation, candidates=rows, aa_check=None), "Digits"))
    assert f"{failed.id} (FP16): It could not be made." in page.words
    assert "A/A check" not in page.words


def test_a_long_search_is_told_to_its_end(example_run: Run) -> None:
    evaluation = searched(example_run.evaluation)
    page = Page(to_html(evaluation, "Digits"))
    titles = explain.candidate_titles(evaluation.candidates)
    for row in evaluation.candidates:
        assert titles[row.id] in page.words
        if row.latency is None:
            assert f"{row.id} ({titles[row.id]}): {row.reason}" in page.words
    assert "; ".join(titles[id] for id in evaluation.front) in page.words


def test_the_ten_worst_blocks_are_a_table(example_run: Run) -> None:
    evaluation = searched(example_run.evaluation)
    assert evaluation.sensitivity is not None
    page = Page(to_html(evaluation, "Digits"))
    for sentence in block_costs.sentences(evaluation.sensitivity):
        assert sentence in page.words
    worst = [block.name for block in block_costs.worst(evaluation.sensitivity)]
    assert all(f"{name} (Conv)" in page.words for name in worst[:10])
    assert not any(name in page.words for name in worst[10:])


def test_without_a_look_at_the_blocks_there_is_no_word_of_it(example_run: Run) -> None:
    evaluation = replace(example_run.evaluation, sensitivity=None)
    assert "Block by block" not in Page(to_html(evaluation, "Digits")).words
