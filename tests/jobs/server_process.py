"""A server that does nothing but keep a worker: ``python -m tests.jobs.server_process``."""

import os
import signal
import sys

from core.jobs import Supervisor

signal.signal(signal.SIGTERM, signal.default_int_handler)
worker = [sys.executable, "-m", "tests.jobs.worker_process", "default", "60", str(os.getpid())]
supervisor = Supervisor(worker)
try:
    signal.pause()
except KeyboardInterrupt:
    supervisor.stop()
