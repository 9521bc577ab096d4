"""Starts the server: ``streamlit run app.py``."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from core.jobs import start_worker
from pages.transfer import ROUTES


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Keeps a worker running beside the server, for as long as the server runs."""
    worker = start_worker()
    # Streamlit collects garbage after each script run; what is loaded by now stays loaded, and
    # scanning it again for each of five open pages would cost the measured model its core.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if worker is not None:
            worker.stop()


app = st.App("pages/main.py", lifespan=lifespan, routes=ROUTES)
