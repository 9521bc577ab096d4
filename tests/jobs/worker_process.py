"""A worker like any other but for what its jobs do: ``python -m tests.jobs.worker_process``."""

import logging
import sys

from core.jobs import run_worker
from tests.jobs.small_evaluation import evaluate

logging.basicConfig(level=logging.INFO)
machine_class, stale_after_s, parent = sys.argv[1:]
run_worker(
    machine_class,
    parent=int(parent) or None,
    evaluate=evaluate,
    stale_after_s=float(stale_after_s),
)
