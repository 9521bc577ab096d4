"""Pages drawn in-process on an installation of their own, and what is in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING
from core.records import DatasetProfile, Evaluation, ModelProfile, Request
from core.storage import (
    Storage,
    StoredEvaluation,
    StoredFile,
    create_draft,
    get_evaluation,
    lifecycle,
    update_draft,
)

MAIN = Path(__file__).parents[2] / "pages" / "main.py"
ASKED = Request(preprocessing=PREPROCESSING, effort="quick")


@dataclass(frozen=True)
class Measured:
    """The example's evaluation as it came out, with its profiles and the files it made."""

    model: ModelProfile
    dataset: DatasetProfile
    result: Evaluation
    folder: Path


@dataclass(frozen=True)
class House:
    """An installation with an empty database and an empty store."""

    storage: Storage
    measured: Measured

    def draft(self, name: str = "Digits", **changes: object) -> str:
        """The example's files with their profiles, ready to be started."""
        put = self.storage.files.put
        id = create_draft(self.storage, name=name)
        given = {
            "model_files": (put(MODEL_PATH, "digits.onnx"),),
            "data_files": (put(DATA_PATH, "digits.zip"),),
            "model_profile": self.measured.model,
            "dataset_profile": self.measured.dataset,
            "request": ASKED,
        }
        update_draft(self.storage, id, **{**given, **changes})
        return id

    def started(self, name: str = "Digits") -> str:
        """An evaluation that a worker has begun; without a queue, so that nobody else takes it."""
        id = self.draft(name)
        with self.storage.engine.begin() as connection:
            assert lifecycle.enqueue(connection, id)
        assert lifecycle.begin(self.storage, id, "tests")
        return id

    def finished(self, name: str = "Digits", result: Evaluation | None = None) -> str:
        """A finished evaluation with its files: the measured one, unless another is given."""
        id = self.started(name)
        lifecycle.finish(self.storage, id, "tests", result or self.measured.result, self.outputs())
        return id

    def outputs(self) -> Sequence[StoredFile]:
        """The files that the measured evaluation made."""
        folder = self.measured.folder
        return [
            self.storage.files.put(path, path.relative_to(folder).as_posix())
            for name in ("models", "raw")
            for path in sorted((folder / name).iterdir())
        ]

    def get(self, id: str) -> StoredEvaluation:
        """The evaluation as it is now."""
        found = get_evaluation(self.storage, id)
        assert found is not None
        return found


def open_page(name: str = "evaluations", id: str | None = None) -> AppTest:
    """A visitor who opens a page of the app."""
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    if name != "evaluations" or id is not None:
        app.switch_page(f"{name}.py")
        if id is not None:
            app.query_params["id"] = id
        app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    """All that a reader sees in texts, alerts, captions and headings."""
    return re.sub(r"\\([\W_])", r"\1", markdown(app))


def markdown(app: AppTest) -> str:
    """The same as it is written, before it is drawn."""
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption)
    alerts = (app.success, app.info, app.warning, app.error)
    return "\n".join(str(part.value) for kind in (*kinds, *alerts) for part in kind)
