from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from core.storage import open_storage
from tests.command import Run
from tests.pages.house import House, Measured


@pytest.fixture(scope="session")
def measured(example_run: Run) -> Measured:
    """The bundled example, really evaluated; once for all tests."""
    result = example_run.evaluation
    return Measured(result.model, result.dataset, result, example_run.out)


@pytest.fixture
def house(measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """An empty installation, which the environment names."""
    monkeypatch.setenv("MF_DATABASE_URL", f"sqlite:///{tmp_path / 'data' / 'test.db'}")
    monkeypatch.setenv("MF_STORE", str(tmp_path / "data" / "store"))
    st.cache_data.clear()
    house = House(open_storage(), measured)
    yield house
    house.storage.engine.dispose()
