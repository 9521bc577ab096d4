from streamlit.testing.v1 import AppTest

from core.records import Progress, StepProgress
from core.storage import create_draft, lifecycle, list_evaluations
from pages import frame
from tests.pages.house import House, markdown, open_page, texts


def buttons(app: AppTest) -> dict[str, str]:
    return {button.label: button.help for button in app.button}


def labels(app: AppTest) -> list[str]:
    return [link.label for link in app.page_link]


def test_lists_what_there_is_with_its_verdict(house: House) -> None:
    house.finished("First")
    house.draft("Second")
    app = open_page()
    verdict = house.measured.result.verdict
    assert verdict.sentence in texts(app)
    assert frame.OUTCOMES[verdict.outcome].label in texts(app)
    assert "Draft" in texts(app)
    assert labels(app) == ["**Second**", "**First**"]


def test_shows_the_queue_and_how_far_it_is(house: House) -> None:
    running, waiting = house.started("Runs"), house.draft("Waits")
    step = StepProgress(name="baseline", title="Measure the baseline", state="running", seconds=9)
    progress = Progress(
        steps=(step,), fraction=0.25, words="round 3 of 20", elapsed_s=30, remaining_s=90
    )
    assert lifecycle.publish(house.storage, running, "tests", progress)
    with house.storage.engine.begin() as connection:
        lifecycle.enqueue(connection, waiting)
    app = open_page()
    assert [part.value for part in app.subheader] == ["Queue", "Evaluations"]
    assert [part.value for part in app.progress] == [25]
    assert app.progress[0].text == "Measure the baseline (round 3 of 20) - 90 s left"
    assert "number 1 in the queue" in texts(app)
    assert "no worker is running" in texts(app)
    assert "Delete" not in buttons(app)


def test_deletes_and_takes_it_back(house: House) -> None:
    id = house.draft("Precious")
    app = open_page()
    app.button(key=f"delete-{id}").click().run()
    assert house.get(id).deleted is not None
    assert "Deleted Precious" in texts(app)
    assert labels(app) == []
    next(button for button in app.button if button.label == "Undo").click().run()
    assert house.get(id).deleted is None
    assert labels(app) == ["**Precious**"]
    assert "Undo" not in buttons(app)


def test_names_are_no_markdown(house: House) -> None:
    name = "a **b** <i>c</i> [d](http://e) ![f](http://g) :material/home: $h$"
    id = house.draft(name)
    literal = (
        r"a \*\*b\*\* \<i\>c\</i\> \[d\]\(http\://e\) \!\[f\]\(http\://g\) \:material/home\: \$h\$"
    )
    app = open_page()
    assert labels(app) == [f"**{literal}**"]
    assert buttons(app)["Delete"] == f"Delete {literal}; you can undo it."
    for step in ("upload", "method"):
        assert f"**{literal}**" in markdown(open_page(step, id))


def test_turns_pages_when_there_are_many(house: House) -> None:
    for number in range(16):
        create_draft(house.storage, name=f"Draft {number}")
    app = open_page()
    assert len(labels(app)) == 15
    app.session_state["evaluations_page"] = 2
    assert labels(app.run()) == ["**Draft 0**"]


def test_tries_the_example(house: House) -> None:
    app = open_page()
    next(button for button in app.button if button.label == "Try the example").click().run()
    assert not app.exception
    (row,) = list_evaluations(house.storage)
    assert (row.status, row.example, row.position) == ("queued", True, 1)
    assert app.query_params["id"] == row.id
    assert "Waiting: number 1 in the queue" in texts(app)
    assert "No worker is running" in texts(app)
