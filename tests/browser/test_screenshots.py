"""Every page in light and dark, wide and narrow; ``SCREENSHOTS=folder`` keeps the pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page

from tests.browser.conftest import Example
from tests.browser.look import main, shows, visit
from tests.browser.server import Server

PAGES = {
    "": "Should this model be quantized?",
    "upload": "Continue to the method",
    "method": "Deployment and effort",
    "runs": "Machine and session",
    "decision": "Sign-off",
    "guide": "The six verdicts",
}
DRAWN = """() =>
  [...document.images].every((image) => image.complete && image.naturalWidth > 0) &&
  [...document.querySelectorAll("[data-testid=stPlotlyChart]")].every(
    (chart) => chart.querySelector("svg.main-svg")
  )"""
TOO_WIDE = """() => [document.scrollingElement, document.querySelector("[data-testid=stMain]")]
  .filter((part) => part.scrollWidth > innerWidth).length"""


def is_ours(message: ConsoleMessage) -> bool:
    """Streamlit asks for its own base path below each page, and is told 404."""
    return message.type == "error" and "/_stcore/" not in message.location["url"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_pages_fit_their_window(
    app: Server,
    example: Example,
    new_page: Callable[..., Page],
    pictures: Path,
    width: int,
    scheme: str,
) -> None:
    window = {"width": width, "height": 800}
    page = new_page(viewport=window, color_scheme=scheme)
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text) if is_ours(said) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    for name, what in PAGES.items():
        id = None if name in ("", "guide") else example.stored.id
        visit(page, app.url(name, id), what)
        page.wait_for_function(DRAWN)
        assert page.evaluate(TOO_WIDE) == 0, name
        height = main(page).evaluate("part => part.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(DRAWN)
        page.screenshot(path=pictures / f"{name or 'home'}-{width}-{scheme}.png")
        page.set_viewport_size(window)
    shows(page, PAGES["guide"])
    assert problems == []
