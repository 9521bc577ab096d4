import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.storage import StoredEvaluation
from tests.browser.look import MEASURED_MS, press, settle, shows, visit
from tests.browser.server import Server

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
REQUIRED = os.environ.get("REQUIRE_BROWSER") == "1"
TIMEOUT_MS = 120_000

expect.set_options(timeout=TIMEOUT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder, and puts them last: they are the slow ones."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker("browser")
        if CHROMIUM is None and not REQUIRED:
            item.add_marker(pytest.mark.skip(reason="there is no chromium on this machine"))
    items[:] = [item for item in items if item not in ours] + ours


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium, which keeps to itself."""
    if CHROMIUM is None:
        pytest.fail("REQUIRE_BROWSER=1, but there is no chromium on this machine.")
    flags = (
        "--no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync"
    )
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": flags.split()}


@pytest.fixture
def page(page: Page) -> Page:
    """A page with patience."""
    page.set_default_timeout(TIMEOUT_MS)
    return page


@pytest.fixture
def new_page(new_context: Callable[..., Any]) -> Callable[..., Page]:
    """Opens a page in a browser session of its own, as a colleague has one."""

    def open_page(**options: Any) -> Page:
        page: Page = new_context(**options).new_page()
        page.set_default_timeout(TIMEOUT_MS)
        return page

    return open_page


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with its worker, for all tests that leave it as it is."""
    server = Server(tmp_path_factory.mktemp("app"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[Server]:
    """A server for one test; not started."""
    server = Server(tmp_path)
    yield server
    server.stop()


@dataclass(frozen=True)
class Example:
    """The bundled example, evaluated through the browser, and what was seen meanwhile."""

    stored: StoredEvaluation
    steps: list[str]
    """The list of steps, as it stood at the beginning."""
    ended_with: str
    """What the watching page said when it was over."""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: ``SCREENSHOTS``, or nowhere that lasts."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def example(app: Server, browser: Browser, pictures: Path) -> Example:
    """Presses "Try the example" and watches it to its verdict; once for all tests."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(TIMEOUT_MS)
    visit(page, app.url(), "Should this model be quantized?")
    press(page, "Try the example")
    shows(page, "You can close this page")
    steps = page.get_by_test_id("stMain").get_by_role("listitem").all_inner_texts()
    shows(page, "Time all of them, interleaved (", MEASURED_MS)
    page.screenshot(path=pictures / "progress-1280-light.png")
    id = page.url.rpartition("id=")[2]
    shows(page, page.get_by_role("link", name="See the decision"), MEASURED_MS)
    settle(page)
    ended_with = page.get_by_test_id("stMain").inner_text()
    page.close()
    return Example(app.get(id), steps, ended_with)
