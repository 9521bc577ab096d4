"""Jobs with a worker that is up, on each database."""

from datetime import timedelta

import pytest

from core.jobs import cancel, list_jobs, progress, submit
from core.jobs.engine import client, forget_ended
from core.records import BadInput
from core.storage import create_draft
from tests.jobs.conftest import House, is_alive, wait_until


def test_two_jobs_run_one_at_a_time_and_are_seen_from_here(served: House) -> None:
    first = served.draft({"name": "one", "wait_for": str(served.gate())}, {"name": "two"})
    second = served.draft({"name": "three"})
    submit(served.storage, first)
    submit(served.storage, second)

    served.waiting_child()
    wait_until(
        lambda: (
            (job := progress(served.storage, first))
            and job.progress
            and job.progress.words == "Waiting at the gate"
        ),
        "the step's words are seen",
    )
    running, waiting = list_jobs(served.storage)
    assert (running.id, running.status, running.position) == (first, "running", None)
    assert (waiting.id, waiting.status, waiting.position) == (second, "queued", 1)
    assert running.worker_alive
    assert running.progress is not None
    assert [(step.name, step.state) for step in running.progress.steps] == [
        ("one", "running"),
        ("two", "waiting"),
    ]
    assert served.begun() == ["one"]

    served.gate().touch()
    served.reaches(second, "finished")

    assert served.begun() == ["one", "two", "three"]
    assert list_jobs(served.storage) == ()
    done = served.get(first)
    assert done.result is not None
    assert (done.result.id, done.result.created, done.result.seed) == (first, done.created, 3)
    assert done.result.model.size_bytes == len(b"the model")
    assert [finding.code for finding in done.result.model.findings] == ["one", "two"]
    names = [file.name for file in done.output_files]
    assert names == ["models/int8_static.onnx", "raw/latency.parquet"]
    with served.storage.files.open(done.output_files[0].sha256) as stream:
        assert stream.read() == b"models/int8_static.onnx"
    wait_until(lambda: not (served.storage.settings.work / first).exists(), "it is tidied up")


def test_a_running_job_is_cancelled_and_the_next_begins(served: House) -> None:
    first = served.draft({"name": "one", "wait_for": str(served.gate("never"))})
    second = served.draft({"name": "two"})
    submit(served.storage, first)
    submit(served.storage, second)
    child = served.waiting_child()

    assert cancel(served.storage, first)

    assert served.get(first).status == "cancelled"
    wait_until(lambda: not is_alive(child), "the child is killed", seconds=3)
    served.reaches(second, "finished")
    assert served.get(first).status == "cancelled"
    assert not cancel(served.storage, first)
    assert not cancel(served.storage, second)
    assert served.begun() == ["one", "two"]
    wait_until(lambda: not (served.storage.settings.work / first).exists(), "it is tidied up")


def test_what_fails_says_why_and_the_queue_goes_on(served: House) -> None:
    bad = served.draft({"name": "one"}, {"name": "two", "bad_input": "All labels are the same."})
    broken = served.draft({"name": "three", "raise": "secret detail"})
    crashed = served.draft({"name": "four", "crash": True})
    good = served.draft({"name": "five"})
    for id in (bad, broken, crashed, good):
        submit(served.storage, id)

    served.reaches(good, "finished")

    assert served.begun() == ["one", "two", "three", "four", "five"]
    assert [served.get(id).status for id in (bad, broken, crashed)] == ["failed"] * 3
    assert served.get(bad).error == "All labels are the same."
    assert served.get(broken).error == (
        f"Something went wrong inside Measure First; the log has the details (reference {broken})."
    )
    assert "crashed" in (served.get(crashed).error or "")


def test_checkpoints_of_ended_jobs_are_forgotten_and_their_results_are_not(served: House) -> None:
    id = served.draft({"name": "one"})
    submit(served.storage, id)
    served.reaches(id, "finished")
    queue = client(served.storage)
    wait_until(lambda: queue.list_workflows(workflow_ids=[id], status="SUCCESS"), "it is done")

    forget_ended(served.storage, timedelta(days=1))
    assert [step["function_name"] for step in queue.list_workflow_steps(id)] == ["one"]
    forget_ended(served.storage, timedelta(0))

    assert queue.list_workflows(workflow_ids=[id]) == []
    assert served.get(id).result is not None


def test_only_a_whole_draft_is_submitted_and_only_once(served: House) -> None:
    empty = create_draft(served.storage, name="empty")
    with pytest.raises(BadInput, match="Give a model"):
        submit(served.storage, empty)
    with pytest.raises(BadInput, match="Give a model"):
        submit(served.storage, "nobody-knows")
    assert progress(served.storage, "nobody-knows") is None

    id = served.draft({"name": "one"})
    submit(served.storage, id)
    with pytest.raises(BadInput, match="started already"):
        submit(served.storage, id)
    served.reaches(id, "finished")
    assert served.begun() == ["one"]
