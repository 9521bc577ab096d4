import pytest
from streamlit.testing.v1 import AppTest

from core.storage import list_evaluations
from tests.pages.house import MAIN, House, open_page, texts

PAGES = ["evaluations", "upload", "method", "runs", "decision", "guide"]


def visit(is_logged_in: bool) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=120)
    app.secrets["auth"] = {"client_id": "measure-first"}
    app.user = {"is_logged_in": is_logged_in, "email": "ada@example.com"}
    return app.run()


@pytest.mark.parametrize("page", PAGES)
def test_opens_without_any_evaluation(house: House, page: str) -> None:
    said = texts(open_page(page))
    expected = {
        "evaluations": "Nothing has been evaluated yet",
        "upload": "Model",
        "guide": "The six verdicts",
    }
    assert expected.get(page, "Choose an evaluation from the list, or start a new one.") in said


@pytest.mark.parametrize("page", ["upload", "method", "runs", "decision"])
def test_an_unknown_link_is_one_sentence(house: House, page: str) -> None:
    app = open_page(page, "nosuchid")
    assert [alert.value for alert in app.warning] == [
        "There is no evaluation under this link; it may have been deleted."
    ]
    assert "id" not in app.query_params


def test_who_has_not_signed_in_sees_nothing_but_the_sign_in(house: House) -> None:
    id = house.finished("Secret project")
    app = visit(is_logged_in=False)
    assert [button.label for button in app.button] == ["Sign in"]
    assert "Secret" not in texts(app)
    with pytest.raises(ValueError, match="decision"):
        app.switch_page("decision.py")
    app.query_params["id"] = id
    assert "Secret" not in texts(app.run())


def test_who_has_signed_in_is_known(house: House) -> None:
    id = house.finished("Our project")
    app = visit(is_logged_in=True)
    assert "Our project" in texts(app)
    app.switch_page("decision.py")
    app.query_params["id"] = id
    app.run()
    name = app.text_input[0]
    assert (name.value, name.disabled) == ("ada@example.com", True)
    next(button for button in app.button if button.label == "Approve").click()
    app.run()
    assert house.get(id).sign_offs[0].who == "ada@example.com"


def test_without_an_identity_provider_nobody_signs_in(house: House) -> None:
    house.draft("Open to all")
    assert "Open to all" in texts(open_page())
    assert [row.created_by for row in list_evaluations(house.storage)] == [None]
