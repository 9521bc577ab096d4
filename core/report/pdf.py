"""An evaluation as a PDF, to attach to a ticket."""

from __future__ import annotations

import re

from fpdf import FPDF

from core.records import Evaluation
from core.report.html import to_plain_html


def to_pdf(evaluation: Evaluation, name: str) -> bytes:
    """Renders the report's contents on A4.

    The PDF's built-in fonts know Latin-1; other letters, which only the user's own names can
    have, become question marks. The HTML report shows them all.

    Args:
        evaluation: With its verdict.
        name: What the team calls it.
    """
    contents = re.sub(r"</?div[^>]*>", "", to_plain_html(evaluation, name))
    page = FPDF(orientation="landscape", format="A4")
    page.set_title(name)
    page.set_font("helvetica", size=9)
    page.add_page()
    page.write_html(contents.encode("latin-1", "replace").decode("latin-1"))
    return bytes(page.output())
