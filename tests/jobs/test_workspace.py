import os
import time
from pathlib import Path

from core.jobs.workspace import remove_others
from core.storage import Settings, open_storage


def test_a_worker_that_starts_leaves_uploads_that_are_looked_at(tmp_path: Path) -> None:
    work = tmp_path / "work"
    storage = open_storage(Settings(f"sqlite:///{tmp_path / 'test.db'}", str(tmp_path), work))
    for name in ("open", "ended", "upload-now", "upload-of-a-server-that-died"):
        (work / name / "files").mkdir(parents=True)
    (work / "executor").touch()
    long_ago = time.time() - 2 * 86_400
    os.utime(work / "upload-of-a-server-that-died", (long_ago, long_ago))
    remove_others(storage, keep=["open"])
    assert {path.name for path in work.iterdir()} == {"open", "upload-now", "executor"}
    storage.engine.dispose()
