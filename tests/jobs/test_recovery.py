"""Jobs whose worker, server or machine dies: real processes, really killed."""

import os
import signal

import pytest
from sqlalchemy import select

from core.jobs import cancel, list_jobs, submit
from core.storage import lifecycle
from core.storage.tables import WorkerRow
from tests.conftest import DATABASES
from tests.jobs.conftest import House, is_alive, wait_until


@pytest.mark.parametrize("house", DATABASES, indirect=True)
def test_killed_or_stopped_a_job_goes_on_in_the_step_it_was_in(house: House) -> None:
    id = house.draft(
        {"name": "one", "seconds": 1.0},
        {"name": "two", "wait_for": str(house.gate())},
        {"name": "three"},
    )
    submit(house.storage, id)
    killed = house.worker()
    child = house.waiting_child()

    killed.kill()
    wait_until(lambda: not is_alive(child), "the child dies with its worker")
    assert house.get(id).status == "running"
    stopped = house.worker()
    child = house.waiting_child(2)

    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(15) == 0
    assert not is_alive(child)
    assert house.get(id).status == "running"
    assert house.get(id).attempts == 0
    (job,) = list_jobs(house.storage)
    assert not job.worker_alive
    house.worker()
    house.waiting_child(3)
    house.gate().touch()

    done = house.reaches(id, "finished")
    assert house.begun() == ["one", "two", "two", "two", "three"]
    assert done.result is not None
    assert [finding.code for finding in done.result.model.findings] == ["one", "two", "three"]
    (elapsed_s,) = (float(line[1]) for line in house.diary if line[0] == "elapsed")
    assert elapsed_s >= 1.0


@pytest.mark.parametrize("house", DATABASES[-1:], indirect=True)
def test_the_job_of_a_lost_machine_goes_on_at_another_of_its_class(house: House) -> None:
    id = house.draft(
        {"name": "one"}, {"name": "two", "wait_for": str(house.gate())}, machine_class="big"
    )
    submit(house.storage, id)
    lost = house.worker("big", machine="lost")
    house.waiting_child()
    other = house.worker("big", machine="other", stale_after_s=3)
    house.worker("small", machine="third", stale_after_s=3)
    for machine in ("other", "third"):
        path = house.folder / machine / "work" / "executor"
        wait_until(path.exists, f"the {machine} machine is up")

    lost.send_signal(signal.SIGSTOP)  # not dead: it will come back and find its job gone
    child = house.waiting_child(2)
    lost.send_signal(signal.SIGCONT)
    wait_until(lambda: not (house.folder / "lost" / "work" / id).exists(), "it lets go")
    assert is_alive(child)
    house.gate().touch()

    house.reaches(id, "finished")
    assert house.begun() == ["one", "two", "two"]
    workers = [int(line[2]) for line in house.diary if line[:2] == ["begin", "two"]]
    assert workers == [lost.pid, other.pid]


def test_jobs_are_cancelled_while_no_worker_is_up(house: House) -> None:
    running = house.draft({"name": "running", "wait_for": str(house.gate("never"))})
    waiting, last = house.draft({"name": "waiting"}), house.draft({"name": "last"})
    submit(house.storage, running)
    worker = house.worker()
    house.waiting_child()
    worker.kill()
    submit(house.storage, waiting)
    submit(house.storage, last)

    assert cancel(house.storage, waiting)
    assert cancel(house.storage, running)

    house.worker()
    house.reaches(last, "finished")
    assert house.begun() == ["running", "last"]
    assert house.get(waiting).status == house.get(running).status == "cancelled"
    assert not (house.storage.settings.work / running).exists()


def test_a_job_that_kills_every_worker_is_given_up(house: House) -> None:
    id = house.draft({"name": "one", "die": True})
    submit(house.storage, id)
    house.worker().wait(20)
    assert house.get(id).attempts == 1
    for _ in range(2):
        lifecycle.begin(house.storage, id, "another worker that dies")

    house.worker()

    assert "died 3 times" in (house.reaches(id, "failed").error or "")
    assert house.begun() == ["one"]


def test_a_server_keeps_one_worker_as_long_as_it_lives(house: House) -> None:
    def worker() -> int | None:
        with house.storage.engine.connect() as connection:
            return connection.scalar(select(WorkerRow.pid))

    server = house.start("server_process")
    first = wait_until(worker, "a worker is up")

    os.kill(first, signal.SIGKILL)
    second = wait_until(lambda: (pid := worker()) != first and pid, "it is started again")
    other_server = house.start("server_process")
    server.kill()
    third = wait_until(lambda: (pid := worker()) not in (None, second) and pid, "one took over")
    wait_until(lambda: not is_alive(second), "the first server's worker has ended", seconds=5)

    other_server.terminate()
    assert other_server.wait(20) == 0
    assert not is_alive(third)
    assert worker() is None
