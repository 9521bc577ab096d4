"""Waiting for a page: for what it is to say first, then for its script to have ended."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

MEASURED_MS = 600_000
"""An evaluation of the example, on a machine that has much else to do."""


def settle(page: Page) -> None:
    """Waits until the page's script does not run, and all of its parts are drawn."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def shows(page: Page, what: str | Locator, timeout: float | None = None) -> Locator:
    """Waits for a text or an element, and then for the end of the script that draws it."""
    found = main(page).get_by_text(what) if isinstance(what, str) else what
    expect(found.first).to_be_visible(timeout=timeout)
    settle(page)
    return found


def visit(page: Page, url: str, what: str, timeout: float | None = None) -> None:
    """Opens an address and waits until the page shows a text."""
    page.goto(url)
    shows(page, what, timeout)


def press(page: Page, name: str) -> None:
    """Presses a button."""
    page.get_by_role("button", name=name, exact=True).click()


def choose(page: Page, number: int, *files: Path) -> None:
    """Chooses files in an uploader of the page, the first being number 0."""
    page.get_by_test_id("stFileUploaderDropzoneInput").nth(number).set_input_files(files)


def main(page: Page) -> Locator:
    """The page without its frame."""
    return page.get_by_test_id("stMain")
