from pathlib import Path

import pytest

from core.storage import Settings, Storage, open_storage


@pytest.fixture
def storage(database_url: str, tmp_path: Path) -> Storage:
    data = tmp_path / "data"
    return open_storage(Settings(database_url, str(data / "store"), data / "work"))
