"""An evaluation for people without the app: as a page, as a PDF, and as one archive."""

from core.report.bundle import write_bundle
from core.report.html import to_html
from core.report.pdf import to_pdf

__all__ = ["to_html", "to_pdf", "write_bundle"]
