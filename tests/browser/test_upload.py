"""Uploads by hand: the example's files, bad ones, and one that must not pass through memory."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from playwright.sync_api import Page, expect

from core.example import DATA_PATH, MODEL_PATH
from core.storage import list_evaluations
from tests.browser.look import choose, main, press, shows, visit
from tests.browser.server import Server

MEGABYTE = 1 << 20
LARGE = 500 * MEGABYTE
FIXTURES = Path(__file__).parents[1] / "fixtures"


@contextmanager
def growth(server: Server) -> Iterator[list[int]]:
    """Watches how many bytes of RAM the server takes more than at the beginning."""
    before, most, over = server.memory(), [0], Event()

    def watch() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], server.memory() - before)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def stream(page: Page, file: Path) -> None:
    """Chooses a file in the first uploader for large ones."""
    main(page).get_by_text("Larger than 200 MB?").first.click()
    uploader = main(page).get_by_label("Files, streamed to the server's disk").first
    uploader.set_input_files(file)


def test_the_example_by_hand_and_a_change_of_mind(
    app: Server, page: Page, new_page: Callable[..., Page], tmp_path: Path
) -> None:
    visit(page, app.url(), "Should this model be quantized?")
    press(page, "Example files")
    files = []
    for name, original in (("Model (.onnx)", MODEL_PATH), ("Data (.zip)", DATA_PATH)):
        with page.expect_download() as started:
            page.get_by_role("button", name=name).click()
        assert started.value.suggested_filename == original.name
        # A name that would be bold and a link, were it read as Markdown.
        files.append(tmp_path / f"*my* [digits](v2){original.suffix}")
        started.value.save_as(files[-1])
        assert files[-1].read_bytes() == original.read_bytes()
    page.keyboard.press("Escape")

    press(page, "New evaluation")
    shows(page, "ONNX model (FP32)")
    choose(page, 0, files[0])
    shows(page, "58.8 million MACs")
    shows(page, "Files: *my* [digits](v2).onnx")
    choose(page, 0, files[1])
    shows(page, "1,197")
    expect(main(page).get_by_test_id("stPlotlyChart").first).to_be_visible()
    shows(page, main(page).get_by_test_id("stImage"))
    expect(main(page).get_by_test_id("stImage")).to_have_count(12)
    press(page, "Continue to the method")

    shows(page, "Usually right for this model: INT8 static")
    shows(page, "665 of your 1,197 samples are kept for the last check")
    effort = main(page).get_by_role("combobox", name="Effort")
    effort.scroll_into_view_if_needed()  # a list that is open closes when the page scrolls
    effort.click()
    page.get_by_role("option", name="Quick").click()
    expect(effort).to_have_value("Quick: 300 runs a model, no p99")
    press(page, "Measure and decide")

    shows(page, "You can close this page")
    link = page.url
    id = link.rpartition("id=")[2]
    request = app.get(id).request
    assert request is not None
    assert (request.effort, request.preprocessing) == ("quick", None)
    colleague = new_page()
    visit(colleague, link, "You can close this page")
    steps = main(colleague).get_by_role("listitem")
    expect(steps).to_have_count(main(page).get_by_role("listitem").count())
    press(page, "Cancel")
    for watching in (page, colleague):
        shows(watching, "This evaluation was cancelled.")
    assert app.get(id).status == "cancelled"

    press(page, "Change and run again")
    shows(page, "Continue to the method")
    copy = app.get(page.url.rpartition("id=")[2])
    assert copy.id != id
    assert (copy.status, copy.request) == ("draft", request)
    assert copy.model_files == app.get(id).model_files


def test_a_bad_file_is_one_sentence_and_the_page_goes_on(
    app: Server, page: Page, tmp_path: Path
) -> None:
    bad = tmp_path / "letter.onnx"
    bad.write_text("Dear colleague,\n" * 50)
    before = len(list_evaluations(app.storage))
    visit(page, app.url("upload"), "ONNX model (FP32)")
    choose(page, 0, bad)
    shows(page, "'letter.onnx' is not an ONNX model")
    expect(main(page).get_by_test_id("stAlert")).to_have_count(1)
    assert len(list_evaluations(app.storage)) == before
    main(page).get_by_role("button", name="Remove letter.onnx").click()
    expect(main(page).get_by_test_id("stAlert")).to_have_count(0)
    choose(page, 0, MODEL_PATH)
    shows(page, "58.8 million MACs")
    choose(page, 0, bad)
    shows(page, main(page).get_by_test_id("stAlert"))
    shows(page, "58.8 million MACs")
    main(page).get_by_role("button", name="Remove letter.onnx").click()
    choose(page, 0, DATA_PATH)
    shows(page, "Continue to the method")
    expect(main(page).get_by_test_id("stAlert")).to_have_count(0)


def test_two_files_that_are_one_model(app: Server, page: Page) -> None:
    visit(page, app.url("upload"), "ONNX model (FP32)")
    choose(page, 0, FIXTURES / "cnn_external.onnx")
    shows(page, "is missing: give both files together.")
    choose(page, 0, FIXTURES / "cnn_external.onnx.data")
    shows(page, "Replace the model")
    shows(page, "Files: cnn_external.onnx, cnn_external.onnx.data")


def test_a_large_upload_never_is_in_the_servers_memory(
    app: Server, page: Page, tmp_path: Path
) -> None:
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.truncate(LARGE)
    with large.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    visit(page, app.url("upload"), "ONNX model (FP32)")
    with growth(app) as most:
        stream(page, large)
        shows(page, "'large.onnx' is not an ONNX model")
    assert most[0] < 150 * MEGABYTE
    with app.storage.files.open(sha256) as kept:
        assert hashlib.file_digest(kept, "sha256").hexdigest() == sha256

    # It stays in its uploader; a better one goes through the other, or through the same.
    choose(page, 0, MODEL_PATH)
    shows(page, "58.8 million MACs")
    press(page, "Replace the model")
    shows(page, "ONNX model (FP32)")
    stream(page, FIXTURES / "se_cnn_digits.onnx")
    shows(page, "Files: se_cnn_digits.onnx")
