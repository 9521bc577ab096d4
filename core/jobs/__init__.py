"""The queue: evaluations are submitted here, and a worker runs them one at a time per machine.

Durable through DBOS: a job survives a kill -9 of server or worker and goes on at its step.
"""

from core.jobs.supervisor import Supervisor, start_worker
from core.jobs.verbs import Job, cancel, list_jobs, progress, submit
from core.jobs.worker import run_worker

__all__ = [
    "Job",
    "Supervisor",
    "cancel",
    "list_jobs",
    "progress",
    "run_worker",
    "start_worker",
    "submit",
]
