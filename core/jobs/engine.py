"""What server and worker must agree on about DBOS, and the server's way in.

DBOS keeps its tables in the evaluations' own database: an evaluation is marked as queued and put
into the queue in one transaction. The server only ever holds a client; it runs no job.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions

from core.storage import Storage

APPLICATION = "measure-first"
WORKFLOW = "evaluate"
VERSION = "1"
"""Of the order of steps. Fixed by hand: DBOS would derive it from the code, and then leave the
jobs of the version before it alone for good."""

# Plain JSON instead of the default, pickle: nothing that can be written into the database runs.
SERIALIZER = DBOSPortableJSONSerializer()


def queue_name(machine_class: str) -> str:
    """The queue of a machine class."""
    return f"evaluations-{machine_class}"


def enqueue_options(id: str, machine_class: str) -> EnqueueOptions:
    """How an evaluation is put into the queue; its job's id is its own."""
    return {
        "workflow_name": WORKFLOW,
        "workflow_id": id,
        "queue_name": queue_name(machine_class),
        "app_version": VERSION,
        "application_name": APPLICATION,
    }


@lru_cache
def client(storage: Storage) -> DBOSClient:
    """Opens the queue; creates its tables where there are none, as a worker need not have run."""
    logging.getLogger("dbos").setLevel(logging.WARNING)
    DBOS.migrate(storage.settings.database_url)
    return DBOSClient(
        system_database_engine=storage.engine,
        serializer=SERIALIZER,
        application_name=APPLICATION,
    )


def forget_ended(storage: Storage, kept: timedelta) -> None:
    """Removes the checkpoints of jobs that ended longer ago than this; nothing reads them."""
    before = (datetime.now(UTC) - kept).isoformat()
    queue = client(storage)
    ended = queue.list_workflows(
        completed_before=before,
        application_name=APPLICATION,
        limit=1000,
        load_input=False,
        load_output=False,
    )
    queue.delete_workflows([job.workflow_id for job in ended])
