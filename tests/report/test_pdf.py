from __future__ import annotations

import re
import zlib
from dataclasses import replace

from core.decision import block_costs
from core.report import to_pdf
from tests.command import Run
from tests.pages.searched import searched

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"\(((?:[^()\\]|\\.)*)\) ?Tj", re.DOTALL)


def words(pdf: bytes) -> str:
    """The text that a PDF of fpdf2 with built-in fonts shows, without any white space."""
    pages = [zlib.decompress(stream) for stream in _STREAM.findall(pdf) if stream[:1] == b"\x78"]
    shown = b"".join(text for page in pages for text in _SHOWN.findall(page))
    text = re.sub(rb"\\([()\\])", rb"\1", shown).decode("latin-1")
    return re.sub(r"\s", "", text)


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_a_pdf_with_all_that_the_page_says(example_run: Run) -> None:
    evaluation = example_run.evaluation
    pdf = to_pdf(evaluation, "Digits, third try")

    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    text = words(pdf)
    assert squeezed("Digits, third try") in text
    assert squeezed(evaluation.verdict.sentence) in text
    for candidate in evaluation.candidates:
        assert candidate.id in text
    for said in (*evaluation.verdict.reasons, *evaluation.verdict.next_steps):
        assert squeezed(said) in text
    assert evaluation.model.sha256 in text


def test_names_in_any_script_are_no_reason_to_fail(example_run: Run) -> None:
    name = "Crème <b>brûlée</b> 数字 (final) \\ 😀"
    text = words(to_pdf(example_run.evaluation, name))
    assert squeezed("Crème <b>brûlée</b> ?? (final) \\ ?") in text


def test_a_reason_longer_than_a_line_is_all_there(example_run: Run) -> None:
    evaluation = example_run.evaluation
    reason = f"Node {'x' * 300} cannot be run; " + "and so on, " * 200
    rows = (
        replace(evaluation.candidates[0], reason=reason),
        *evaluation.candidates[1:],
    )
    text = words(to_pdf(replace(evaluation, candidates=rows), "Digits"))
    assert "x" * 300 in text
    assert text.count("andsoon,") == 200


def test_a_long_search_and_the_worst_blocks_are_in_it(example_run: Run) -> None:
    evaluation = searched(example_run.evaluation)
    assert evaluation.sensitivity is not None
    text = words(to_pdf(evaluation, "Digits"))
    for row in evaluation.candidates:
        assert row.id in text
        if row.latency is None:
            assert squeezed(row.reason) in text
    for sentence in block_costs.sentences(evaluation.sensitivity):
        assert squeezed(sentence) in text
    assert block_costs.worst(evaluation.sensitivity)[0].name in text
