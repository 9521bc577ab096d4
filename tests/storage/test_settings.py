from pathlib import Path

import pytest

from core.records import BadInput
from core.storage import Settings


def test_one_machine_needs_no_setting(tmp_path: Path) -> None:
    settings = Settings.from_environment({}, tmp_path)

    assert settings == Settings(
        database_url=f"sqlite:///{tmp_path}/data/measure-first.db",
        store=f"{tmp_path}/data/store",
        work=tmp_path / "data" / "work",
        worker=True,
    )


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    variables = {"MF_DATABASE_URL": "", "MF_STORE": "", "MF_WORKER": ""}

    assert Settings.from_environment(variables, tmp_path) == Settings.from_environment({}, tmp_path)


def test_work_is_beside_a_local_store_and_never_in_a_bucket(tmp_path: Path) -> None:
    local = Settings.from_environment({"MF_STORE": f"{tmp_path}/big/store"}, tmp_path)
    bucket = Settings.from_environment({"MF_STORE": "s3://team/store"}, tmp_path)

    assert local.work == tmp_path / "big" / "work"
    assert bucket.work == tmp_path / "data" / "work"


def test_worker_is_on_or_off(tmp_path: Path) -> None:
    assert not Settings.from_environment({"MF_WORKER": "off"}, tmp_path).worker
    with pytest.raises(BadInput, match="MF_WORKER is 'no'; set it to on or off"):
        Settings.from_environment({"MF_WORKER": "no"}, tmp_path)
