"""The bundled example from one click to its verdict; all tests look at the same evaluation."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from playwright.sync_api import Locator, Page, expect

from core.example import MODEL_PATH
from core.records import Evaluation, from_json
from pages import frame
from tests.browser.conftest import Example
from tests.browser.look import main, shows, visit
from tests.browser.server import Server


@pytest.fixture
def decision(app: Server, example: Example, page: Page) -> Page:
    """The page of the verdict."""
    assert example.stored.result is not None
    visit(page, app.url("decision", example.stored.id), example.stored.result.verdict.sentence)
    return page


def download(page: Page, link: Locator, folder: Path) -> Path:
    with page.expect_download() as started:
        link.click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def test_it_was_watched_step_by_step(example: Example) -> None:
    first, second, third, *_, confirm, draws, last = example.steps
    assert "Read the model" in first
    assert "Prepare the dataset" in second
    assert "Measure the baseline" in third
    assert "Confirm on unseen samples" in confirm
    assert "Calibrate with other samples" in draws
    assert "Other threads and batch sizes" in last
    assert "A/A check: the baseline against itself gave" in example.ended_with


def test_it_is_listed_with_its_verdict(app: Server, example: Example, page: Page) -> None:
    assert example.stored.result is not None
    verdict = example.stored.result.verdict
    visit(page, app.url(), verdict.sentence)
    main(page).get_by_role("link", name="Example: handwritten digits").click()
    shows(page, verdict.sentence)
    expect(page).to_have_url(app.url("decision", example.stored.id))


def test_the_runs_page_compares(app: Server, example: Example, page: Page) -> None:
    visit(page, app.url("runs", example.stored.id), "Accuracy drop")
    expect(main(page).get_by_test_id("stDataFrame").locator("canvas").first).to_be_visible()
    for key in ("latency", "size", "drop"):
        chart = main(page).locator(f".st-key-{key}")
        expect(chart.get_by_text("INT8 static", exact=True).first).to_be_visible()


def test_the_page_says_what_the_record_says(
    decision: Page, example: Example, tmp_path: Path
) -> None:
    path = download(decision, decision.get_by_role("button", name="evaluation.json"), tmp_path)
    record = from_json(Evaluation, path.read_bytes())
    assert record == example.stored.result
    expect(
        main(decision).get_by_role("heading", name=frame.OUTCOMES[record.verdict.outcome].label)
    ).to_be_visible()
    for sentence in (*record.verdict.reasons, *record.verdict.next_steps):
        expect(main(decision).get_by_text(sentence, exact=True)).to_be_visible()


def test_a_made_model_can_be_downloaded_and_run(
    decision: Page, example: Example, tmp_path: Path
) -> None:
    main(decision).get_by_text("All candidates and raw samples").click()
    link = main(decision).get_by_role("link", name="models/int8_static.onnx")
    path = download(decision, link, tmp_path)
    assert example.stored.result is not None
    (row,) = [row for row in example.stored.result.candidates if row.id == "int8_static"]
    assert path.name == "int8_static.onnx"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
    assert path.stat().st_size == row.size_bytes < MODEL_PATH.stat().st_size / 3
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(
        None, {session.get_inputs()[0].name: np.zeros((1, 1, 32, 32), np.float32)}
    )
    assert logits.shape == (1, 10)


def test_reports_can_be_downloaded(decision: Page, example: Example, tmp_path: Path) -> None:
    assert example.stored.result is not None
    html = download(decision, decision.get_by_role("button", name="report.html"), tmp_path)
    assert example.stored.result.verdict.sentence in html.read_text(encoding="utf-8")
    pdf = download(decision, decision.get_by_role("button", name="report.pdf"), tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_a_colleague_sees_the_same(
    decision: Page, example: Example, new_page: Callable[..., Page]
) -> None:
    link = main(decision).get_by_test_id("stCode").inner_text().strip()
    colleague = new_page()
    assert example.stored.result is not None
    visit(colleague, link, example.stored.result.verdict.sentence)
    assert "Sign-off" in main(decision).inner_text()
    assert main(colleague).inner_text() == main(decision).inner_text()


def test_nobody_makes_up_a_link_to_a_file(app: Server, example: Example, page: Page) -> None:
    sha256 = example.stored.model_files[0].sha256
    for token in (sha256, "W10.x.y"):
        assert page.request.get(app.url(f"transfer/download/{token}")).status == 403
    assert page.request.put(app.url("transfer/upload/made-up?name=a"), data=b"a").status == 403
