"""What dies is started again, and the evaluation goes on; a link stays a link."""

from playwright.sync_api import Page, expect

from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING
from core.records import Request
from core.storage import create_draft, update_draft
from core.uploads import check_dataset, check_model
from tests.browser.look import MEASURED_MS, main, press, shows, visit
from tests.browser.server import Server, wait_until


def cheap_draft(app: Server) -> str:
    """The example with one method and the quick effort, ready to be started."""
    storage = app.storage
    model = (storage.files.put(MODEL_PATH, MODEL_PATH.name),)
    data = (storage.files.put(DATA_PATH, DATA_PATH.name),)
    profile = check_model(storage, model)
    id = create_draft(storage, name="Hardy digits")
    update_draft(
        storage,
        id,
        model_files=model,
        data_files=data,
        model_profile=profile,
        dataset_profile=check_dataset(storage, data, profile, PREPROCESSING),
        request=Request(preprocessing=PREPROCESSING, effort="quick", methods=("float16",)),
    )
    return id


def test_an_evaluation_survives_its_worker_and_its_server(own_app: Server, page: Page) -> None:
    own_app.start()
    id = cheap_draft(own_app)
    visit(page, own_app.url("method", id), "Measure and decide")
    press(page, "Measure and decide")

    shows(page, main(page).get_by_text("Measure the baseline ("), MEASURED_MS)
    worker = own_app.worker_process()
    worker.kill()
    # The same page goes on by itself once there is another worker.
    shows(page, main(page).get_by_text("Time all of them, interleaved ("), MEASURED_MS)
    assert own_app.worker_process().pid != worker.pid
    baseline = main(page).get_by_role("listitem").filter(has_text="Measure the baseline")
    expect(baseline).to_contain_text(" s")

    own_app.kill()
    assert own_app.get(id).status == "running"
    own_app.start()
    visit(page, own_app.url("runs", id), "Hardy digits")
    shows(page, page.get_by_role("link", name="See the decision"), MEASURED_MS)
    stored = own_app.get(id)
    assert stored.status == "finished"
    assert stored.result is not None
    assert [row.id for row in stored.result.candidates] == ["baseline", "float16"]
    folder = own_app.settings.work / id
    wait_until(lambda: not folder.exists(), "the folder of the evaluation is gone")
