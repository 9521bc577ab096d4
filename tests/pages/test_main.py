import pytest
from streamlit.testing.v1 import AppTest

from core.example import MODEL_PATH
from core.storage import list_evaluations
from tests.pages.house import MAIN, House, open_page, texts

PAGES = ["evaluations", "upload", "method", "runs", "decision", "guide"]


def visit(is_logged_in: bool) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=120)
    app.secrets["auth"] = {"client_id": "measure-first"}
    app.user = {"is_logged_in": is_logged_in, "email": "ada@example.com"}
    return app.run()


@pytest.mark.parametrize("name", PAGES)
def test_opens_without_any_evaluation(house: House, name: str) -> None:
    said = texts(open_page(name))
    expected = {
        "evaluations": "Nothing has been evaluated yet",
        "upload": "Model",
        "guide": "The six verdicts",
    }
    assert expected.get(name, "Choose an evaluation from the list, or start a new one.") in said


@pytest.mark.parametrize("name", ["upload", "method", "runs", "decision"])
def test_an_unknown_link_is_one_sentence(house: House, name: str) -> None:
    app = open_page(name, "nosuchid")
    assert [alert.value for alert in app.warning] == [
        "There is no evaluation under this link; it may have been deleted."
    ]
    assert "id" not in app.query_params


@pytest.mark.parametrize("name", PAGES)
def test_who_has_not_signed_in_sees_nothing_but_the_sign_in(house: House, name: str) -> None:
    app = visit(is_logged_in=False)
    app.switch_page(f"{name}.py")
    app.query_params["id"] = house.finished("Secret project")
    app.run()
    assert not app.exception
    assert [part.value for part in app.title] == ["Measure First"]
    assert [part.value for part in app.markdown] == ["Sign in to see your team's evaluations."]
    assert [button.label for button in app.button] == ["Sign in"]
    assert not app.page_link


def test_who_has_signed_in_is_known(house: House) -> None:
    id = house.finished("Our project")
    app = visit(is_logged_in=True)
    assert [link.label for link in app.page_link] == ["**Our project**"]
    app.switch_page("decision.py")
    app.query_params["id"] = id
    app.run()
    name = app.text_input[0]
    assert (name.value, name.disabled) == ("ada@example.com", True)
    next(button for button in app.button if button.label == "Approve").click()
    app.run()
    assert house.get(id).sign_offs[0].who == "ada@example.com"


def test_a_provider_need_not_tell_the_address(house: House) -> None:
    id = house.finished()
    app = visit(is_logged_in=True)
    app.user = {"is_logged_in": True, "sub": "user-17"}
    app.switch_page("decision.py")
    app.query_params["id"] = id
    app.run()
    assert not app.exception
    assert app.text_input[0].value == "user-17"


def test_a_draft_carries_who_began_it(house: House) -> None:
    app = visit(is_logged_in=True)
    app.switch_page("upload.py").run()
    app.file_uploader[0].upload("digits.onnx", MODEL_PATH.read_bytes()).run()
    assert not app.exception
    assert [row.created_by for row in list_evaluations(house.storage)] == ["ada@example.com"]
