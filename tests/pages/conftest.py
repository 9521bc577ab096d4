from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import streamlit as st

from core.evaluation import evaluate
from core.example import DATA_PATH, MODEL_PATH
from core.journal import Journal
from core.storage import open_storage
from tests.pages.house import ASKED, House, Measured


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """The bundled example, really evaluated; once for all tests of the pages."""
    folder = tmp_path_factory.mktemp("evaluation")
    result = evaluate(
        id="example",
        created=datetime.now(UTC).isoformat(),
        model=MODEL_PATH,
        data=DATA_PATH,
        request=ASKED,
        folder=folder,
        journal=Journal(lambda _progress: None),
    )
    return Measured(result.model, result.dataset, result, folder)


@pytest.fixture
def house(measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """An empty installation, which the environment names."""
    monkeypatch.setenv("MF_DATABASE_URL", f"sqlite:///{tmp_path / 'data' / 'test.db'}")
    monkeypatch.setenv("MF_STORE", str(tmp_path / "data" / "store"))
    st.cache_data.clear()
    house = House(open_storage(), measured)
    yield house
    house.storage.engine.dispose()
