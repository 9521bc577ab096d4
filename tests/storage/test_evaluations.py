import io
import os
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.records import BadInput, Policy, Progress, Request, StepProgress
from core.storage import (
    Storage,
    create_draft,
    delete_evaluation,
    get_evaluation,
    lifecycle,
    list_evaluations,
    purge,
    restore_evaluation,
    sign_off,
    update_draft,
    workers,
)
from core.storage.database import open_database
from core.storage.stored import StoredEvaluation, StoredFile
from tests.jobs.small_evaluation import sample_dataset, sample_evaluation, sample_model

FILE = StoredFile(name="model.onnx", sha256="a" * 64, size_bytes=12)
PROGRESS = Progress(
    steps=(StepProgress(name="model", title="Read the model", state="running", seconds=1.5),),
    fraction=0.25,
    words="Reading",
    elapsed_s=1.5,
    remaining_s=4.5,
)


def get(storage: Storage, id: str) -> StoredEvaluation:
    found = get_evaluation(storage, id)
    assert found is not None
    return found


def queued(storage: Storage, name: str = "Digits", machine_class: str = "default") -> str:
    id = create_draft(storage, name=name, machine_class=machine_class)
    update_draft(storage, id, model_files=[FILE], data_files=[FILE], request=Request())
    with storage.engine.begin() as connection:
        assert lifecycle.enqueue(connection, id)
    return id


def test_a_draft_grows_page_by_page(storage: Storage) -> None:
    request = Request(policy=Policy(max_drop_points=0.5), seed=7)
    weights = StoredFile(name="model.onnx.data", sha256="b" * 64, size_bytes=5_000_000_000)
    id = create_draft(storage, name="Digits", created_by="ana@example.org", example=True)

    update_draft(storage, id, model_files=[FILE, weights], model_profile=sample_model())
    update_draft(storage, id, data_files=[FILE], dataset_profile=sample_dataset())
    update_draft(storage, id, request=request, name="Digits, half a point")

    found = get(storage, id)
    assert (found.status, found.name, found.created_by) == (
        "draft",
        "Digits, half a point",
        "ana@example.org",
    )
    assert found.example
    assert found.model_files == (FILE, weights)
    assert found.data_files == (FILE,)
    assert found.model_profile == sample_model()
    assert found.dataset_profile == sample_dataset()
    assert found.request == request
    assert found.result is None


def test_other_files_void_the_profile_of_the_old_ones(storage: Storage) -> None:
    id = create_draft(storage, name="Digits")
    update_draft(storage, id, model_files=[FILE], model_profile=sample_model())
    update_draft(storage, id, data_files=[FILE], dataset_profile=sample_dataset())

    update_draft(storage, id, model_files=[StoredFile(name="b.onnx", sha256="b", size_bytes=1)])

    assert [file.name for file in get(storage, id).model_files] == ["b.onnx"]
    assert get(storage, id).model_profile is None
    assert get(storage, id).dataset_profile == sample_dataset()


@pytest.mark.parametrize("name", ["../up.onnx", "a/b.onnx", "", "..", ".", "a\0b", "x" * 241])
def test_a_file_name_cannot_lead_out_of_the_workspace(storage: Storage, name: str) -> None:
    id = create_draft(storage, name="Digits")

    with pytest.raises(BadInput, match="rename it"):
        update_draft(storage, id, model_files=[StoredFile(name=name, sha256="a", size_bytes=1)])

    assert get(storage, id).model_files == ()


def test_two_files_of_one_name_are_refused(storage: Storage) -> None:
    id = create_draft(storage, name="Digits")

    with pytest.raises(BadInput, match="same name"):
        update_draft(storage, id, model_files=[FILE, FILE])


def test_what_was_submitted_stays_as_it_is(storage: Storage) -> None:
    id = queued(storage)

    with pytest.raises(BadInput, match="no longer be changed"):
        update_draft(storage, id, request=Request(seed=1))
    with pytest.raises(BadInput, match="no longer be changed"):
        update_draft(storage, "no-such-id", name="x")
    with storage.engine.begin() as connection:
        assert not lifecycle.enqueue(connection, id)

    assert get(storage, id).request == Request()


def test_from_the_queue_to_the_verdict(storage: Storage) -> None:
    id = queued(storage)
    output = StoredFile(name="models/int8_static.onnx", sha256="c" * 64, size_bytes=3)

    begun = lifecycle.begin(storage, id, "w1")
    assert begun is not None
    assert (begun.status, begun.attempts) == ("running", 1)
    assert lifecycle.publish(storage, id, "w1", PROGRESS)
    assert get(storage, id).progress == PROGRESS
    assert lifecycle.publish(storage, id, "w1")
    assert get(storage, id).progress == PROGRESS

    result = sample_evaluation(id, begun.created, Request())
    assert lifecycle.finish(storage, id, "w1", result, [output])

    found = get(storage, id)
    assert found.status == "finished"
    assert found.result == result
    assert found.output_files == (output,)
    assert found.model_files == (FILE,)
    assert (found.queued or "") <= (found.started or "") <= (found.finished or "")
    (row,) = list_evaluations(storage)
    assert (row.outcome, row.sentence, row.position) == ("ship", "Ship it.", None)
    assert lifecycle.begin(storage, id, "w1") is None
    assert not lifecycle.cancel(storage, id)
    assert not lifecycle.fail(storage, id, "Too late.")


def test_what_was_cancelled_is_no_longer_the_workers(storage: Storage) -> None:
    id = queued(storage)
    lifecycle.begin(storage, id, "w1")

    assert lifecycle.cancel(storage, id)

    assert not lifecycle.publish(storage, id, "w1", PROGRESS)
    result = sample_evaluation(id, "now", Request())
    assert not lifecycle.finish(storage, id, "w1", result, [FILE])
    assert get(storage, id).status == "cancelled"
    assert get(storage, id).output_files == ()


def test_what_was_taken_over_is_no_longer_the_first_workers(storage: Storage) -> None:
    id = queued(storage)
    lifecycle.begin(storage, id, "w1")
    before = get(storage, id).started

    again = lifecycle.begin(storage, id, "w2")

    assert again is not None
    assert (again.attempts, again.started) == (2, before)
    assert not lifecycle.publish(storage, id, "w1")
    assert lifecycle.publish(storage, id, "w2")
    lifecycle.set_attempts(storage, id, "w1", 0)
    assert get(storage, id).attempts == 2
    lifecycle.set_attempts(storage, id, "w2", 1)
    assert get(storage, id).attempts == 1


def test_one_of_those_who_find_a_silent_job_may_claim_it(storage: Storage) -> None:
    id = queued(storage)
    lifecycle.begin(storage, id, "w1")
    beat = lifecycle.heartbeats(storage, "default")[id]

    assert lifecycle.heartbeats(storage, "other") == {}
    assert lifecycle.claim(storage, id, beat)
    assert not lifecycle.claim(storage, id, beat)


def test_the_list_is_newest_first_with_each_ones_place_in_its_queue(storage: Storage) -> None:
    first, second = queued(storage, "first"), queued(storage, "second")
    arm = queued(storage, "arm", machine_class="arm")
    third = queued(storage, "third")
    lifecycle.begin(storage, first, "w1")
    draft = create_draft(storage, name="draft")

    rows = list_evaluations(storage)

    assert [row.name for row in rows] == ["draft", "third", "arm", "second", "first"]
    places = {row.id: row.position for row in rows}
    assert places == {draft: None, third: 2, arm: 1, second: 1, first: None}
    assert {row.id for row in list_evaluations(storage, active=True)} == {first, second, arm, third}
    assert [row.id for row in list_evaluations(storage, id=arm)] == [arm]
    assert len(list_evaluations(storage, limit=2)) == 2


def test_ids_are_short_unlike_and_fit_for_a_link(storage: Storage) -> None:
    ids = {create_draft(storage, name="x") for _ in range(20)}

    assert len(ids) == 20
    assert all(len(id) == 16 and id.isalnum() and id == id.lower() for id in ids)
    assert get_evaluation(storage, "nobody-knows") is None


def test_sign_offs_are_kept_in_order(storage: Storage) -> None:
    id = queued(storage)
    with pytest.raises(BadInput, match="finished"):
        sign_off(storage, id, who="ana", decision="approved", note="")
    lifecycle.begin(storage, id, "w1")
    lifecycle.finish(storage, id, "w1", sample_evaluation(id, "now", Request()), [])

    no = sign_off(storage, id, who="ana", decision="rejected", note="Too few samples.")
    yes = sign_off(storage, id, who="bo", decision="approved", note="More came.")

    assert get(storage, id).sign_offs == (no, yes)


def test_a_deleted_evaluation_can_be_restored_until_it_is_purged(storage: Storage) -> None:
    kept, gone = create_draft(storage, name="kept"), create_draft(storage, name="gone")
    shared = storage.files.put(io.BytesIO(b"shared"), "shared.onnx")
    only = storage.files.put(io.BytesIO(b"only"), "only.onnx")
    upload = storage.files.put(io.BytesIO(b"an upload under way"), "new.onnx")
    update_draft(storage, kept, model_files=[shared])
    update_draft(storage, gone, model_files=[shared, only])

    delete_evaluation(storage, gone)
    assert [row.id for row in list_evaluations(storage)] == [kept]
    restore_evaluation(storage, gone)
    assert len(list_evaluations(storage)) == 2

    delete_evaluation(storage, gone)
    yesterday = time.time() - 90_000
    for file in (shared, only):
        path = f"{storage.settings.store}/{file.sha256[:2]}/{file.sha256}"
        os.utime(path, (yesterday, yesterday))
    assert purge(storage) == 0
    assert purge(storage, kept=timedelta(0)) == 1

    assert get_evaluation(storage, gone) is None
    assert [storage.files.exists(f.sha256) for f in (shared, only, upload)] == [True, False, True]


def test_what_runs_cannot_be_deleted(storage: Storage) -> None:
    id = queued(storage)

    with pytest.raises(BadInput, match="Cancel"):
        delete_evaluation(storage, id)


def test_workers_are_counted_by_class_while_they_are_heard_of(storage: Storage) -> None:
    workers.beat(storage, "w1", "default", "host", 1)
    workers.beat(storage, "w1", "default", "host", 2)
    workers.beat(storage, "w2", "arm", "host", 3)
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE workers SET heartbeat = 1 WHERE executor = 'w2'"))

    assert workers.count_workers(storage, "default") == 1
    assert workers.count_workers(storage, "arm") == 0
    workers.leave(storage, "w1")
    assert workers.count_workers(storage, "default") == 0


def test_a_database_of_another_version_is_left_alone(storage: Storage, database_url: str) -> None:
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE measure_first_schema SET version = 99"))

    with pytest.raises(BadInput, match="schema 99"):
        open_database(database_url)
