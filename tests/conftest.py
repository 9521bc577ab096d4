"""What tests of several parts share: databases, and one evaluation from the command line.

Databases are SQLite always, and a real PostgreSQL where it is installed.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from tests.command import ANSWER, Run, run_example
from tests.fixtures.broken import example_arrays
from tests.shared import shared_folder

DATABASES = ["sqlite", "postgresql"] if shutil.which("initdb") else ["sqlite"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, without its database's name: ``{}``."""
    # PostgreSQL refuses to run as root, and nobody cannot enter pytest's own folders.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="mf-postgres-"))
    if user:
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    cluster = str(folder / "cluster")
    run("initdb", "-D", cluster, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "-D", cluster, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://postgres@/{{}}?host={folder}"
    finally:
        run("pg_ctl", "-D", cluster, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@contextmanager
def fresh_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of an empty database: ``sqlite`` in the folder, or ``postgresql``."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'data' / 'test.db'}"
        return
    server: str = request.getfixturevalue("postgres")
    name = f"test_{os.urandom(6).hex()}"
    admin = create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.format(name)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, empty database of each kind."""
    with fresh_database(request.param, request, tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def example_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The bundled example, evaluated by ``python -m core evaluate`` in a process of its own."""
    with shared_folder(tmp_path_factory, "example-run") as folder:
        if not (folder / ANSWER).exists():
            run_example(folder)
        return Run(folder)


@pytest.fixture(scope="session")
def few_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 of the example's samples as arrays: enough to run on, too few to prove anything."""
    inputs, labels = example_arrays()
    chosen = np.random.default_rng(0).permutation(len(labels))[:120]
    path = tmp_path_factory.mktemp("few") / "few.npz"
    np.savez(path, input=inputs[chosen], labels=labels[chosen])
    return path
