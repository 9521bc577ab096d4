from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.example import DATA_PATH, MODEL_PATH
from core.storage import list_evaluations
from tests.pages.house import House, open_page, texts

FIXTURES = Path(__file__).parents[1] / "fixtures"


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    return app


def upload(app: AppTest, *paths: Path) -> AppTest:
    for path in paths:
        app.file_uploader[0].upload(path.name, path.read_bytes())
    app.run()
    assert not app.exception
    return app


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "notes.onnx"
    path.write_text("not a model\n" * 100)
    return path


def test_takes_the_example_by_hand(house: House) -> None:
    app = upload(open_page("upload"), MODEL_PATH)
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Family"] == "CNN"
    assert "Labelled data" in texts(app)
    assert "Preprocessing" not in texts(app)

    upload(app, DATA_PATH)
    figures = {metric.label: metric.value for metric in app.metric}
    assert (figures["Samples"], figures["Classes"]) == ("1,197", "10")
    splits = [int(figures[name]) for name in ("Calibration", "Search", "Confirm")]
    assert sum(splits) == 1197
    assert "Preprocessing" in texts(app)
    assert len(app.get("image")) == 12  # six samples, before and after

    (row,) = list_evaluations(house.storage)
    assert (row.name, row.status) == ("digits", "draft")
    assert app.query_params["id"] == row.id
    press(app, "Continue to the method")
    assert "Usually right for this model: INT8 static" in texts(app)


def test_a_bad_file_is_one_sentence_and_a_good_one_takes_its_place(
    house: House, text_file: Path
) -> None:
    app = upload(open_page("upload"), text_file)
    (sentence,) = [alert.value for alert in app.error]
    assert "ONNX" in sentence
    assert list_evaluations(house.storage) == ()
    app.file_uploader[0].set_value(None)
    upload(app, MODEL_PATH)
    assert not app.error
    assert app.metric[0].value == "CNN"


def test_a_bad_replacement_leaves_what_was_there(house: House, text_file: Path) -> None:
    id = house.draft()
    before = house.get(id)
    profiles = (before.model_profile, before.dataset_profile)
    for label in ("Replace the model", "Replace the data"):
        app = press(open_page("upload", id), label)
        upload(app, text_file)
        assert len(app.error) == 1
        after = house.get(id)
        assert (after.model_files, after.data_files) == (before.model_files, before.data_files)
        assert (after.model_profile, after.dataset_profile) == profiles


def test_replaces_the_model_of_this_draft_only(house: House) -> None:
    id, other = house.draft(), house.draft("Other")
    app = press(open_page("upload", id), "Replace the model")
    assert len(app.file_uploader) == 1
    app.query_params["id"] = other
    assert not app.run().file_uploader
    app.query_params["id"] = id
    upload(app.run(), FIXTURES / "se_cnn_digits.onnx")
    assert [file.name for file in house.get(id).model_files] == ["se_cnn_digits.onnx"]
    assert house.get(id).data_files == house.get(other).data_files


def test_says_when_the_data_does_not_fit_the_new_model(house: House) -> None:
    id = house.draft()
    app = press(open_page("upload", id), "Replace the model")
    upload(app, FIXTURES / "lstm_japanese_vowels.onnx")
    assert len(app.warning) == 1
    draft = house.get(id)
    assert draft.model_profile.family == "rnn"
    assert (draft.data_files, draft.dataset_profile) == ((), None)


def test_takes_a_model_with_its_external_data(house: House) -> None:
    files = [FIXTURES / "cnn_external.onnx", FIXTURES / "cnn_external.onnx.data"]
    app = upload(open_page("upload"), files[0])
    assert "cnn_external.onnx.data" in app.error[0].value.replace("\\", "")
    assert list_evaluations(house.storage) == ()
    app = upload(open_page("upload"), *files)
    assert not app.error
    (row,) = list_evaluations(house.storage)
    assert {file.name for file in house.get(row.id).model_files} == {path.name for path in files}


def test_arrays_need_no_preprocessing(house: House) -> None:
    app = upload(open_page("upload"), FIXTURES / "mlp_digits.onnx")
    upload(app, FIXTURES / "digits.npz")
    assert "Preprocessing" not in texts(app)
    (row,) = list_evaluations(house.storage)
    assert house.get(row.id).dataset_profile.kind == "npz"


def test_keeps_each_preset_and_the_one_after_it(house: House) -> None:
    id = house.draft()
    app = open_page("upload", id)
    for preset in ("zero_255", "imagenet_timm", "keras_minus1_1"):
        app.selectbox[0].set_value(preset).run()
        assert app.selectbox[0].value == preset
        assert house.get(id).request.preprocessing.preset == preset
    app.selectbox[0].set_value("automatic").run()
    assert house.get(id).request.preprocessing is None


def test_takes_a_custom_preprocessing(house: House) -> None:
    id = house.draft()
    app = open_page("upload", id)
    app.selectbox[0].set_value("custom").run()
    app.text_input[0].set_value("0.5").run()
    app.text_input[1].set_value("0.25").run()
    asked = house.get(id).request.preprocessing
    assert (asked.preset, asked.mean, asked.std) == ("custom", (0.5,), (0.25,))
    assert "values -2.00 to 2.00" in texts(app)
    for wrong in ("0", "nan", "1, 2", "half"):
        app.text_input[1].set_value(wrong).run()
        assert len(app.error) == 1
        assert house.get(id).request.preprocessing == asked


def test_finds_the_preprocessing(house: House) -> None:
    id = house.draft(request=None)
    app = press(open_page("upload", id), "Find it for me")
    assert house.get(id).request.preprocessing.preset == app.selectbox[0].value
    assert "Right answers of the model on 200 samples" in texts(app)
    app.selectbox[0].set_value("zero_255").run()
    assert house.get(id).request.preprocessing.preset == "zero_255"


def test_what_was_started_can_be_seen_and_copied(house: House) -> None:
    id = house.finished()
    app = open_page("upload", id)
    assert "what it rests on can be seen here, not changed" in texts(app)
    assert not app.file_uploader
    assert app.selectbox[0].disabled
    press(app, "Change it in a copy")
    copy = house.get(app.query_params["id"])
    assert copy.id != id
    assert copy.status == "draft"
    assert copy.model_files == house.get(id).model_files
    assert not app.selectbox[0].disabled
