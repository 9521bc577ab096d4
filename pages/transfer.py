"""Files between browser and store past Streamlit's own upload, which holds them in memory.

A page that a visitor may see hands out signed addresses: one that takes an upload, one that
gives a file. Who has not seen the page cannot make one, so the routes need neither the sign-in
nor an XSRF cookie again; an address lapses after some hours.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import anyio.to_thread
import streamlit as st
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from core.storage import StoredFile, open_storage

MOST_BYTES = 4 * 1024**3
"""Largest file that is taken; two gigabytes are the most that an ONNX file can have anyway."""

_LIFETIME_S = 12 * 3600
_CHUNK = 1 << 20
_PREFIX = "transfer"

_SCRIPT = (Path(__file__).parent / "transfer.js").read_text(encoding="utf-8")
_HTML = """
<label for="files">Files, streamed to the server's disk</label>
<input id="files" type="file" multiple>
<progress id="bar" max="1" value="0" hidden></progress>
<p id="words" role="status"></p>
"""
_CSS = """
label { display: block; margin-bottom: 0.4rem; }
input, p, progress { font: inherit; color: var(--st-text-color); }
progress { width: 100%; accent-color: var(--st-primary-color); }
"""


def streamed_files(key: str) -> tuple[StoredFile, ...]:
    """Draws the uploader for large files.

    Args:
        key: Of the widget; another key is an empty uploader.

    Returns:
        The files that have arrived in the store; empty while there are none.
    """
    component = st.components.v2.component("large_upload", html=_HTML, css=_CSS, js=_SCRIPT)
    # The same address as long as the widget lives: another one would start the script anew.
    address = st.session_state.setdefault(f"{key}-address", _address("upload", _sign("upload", {})))
    state = component(
        key=key,
        data={"address": address, "most": MOST_BYTES},
        default={"receipts": []},
        on_receipts_change=lambda: None,
    )
    return tuple(_receipt(receipt) for receipt in state.receipts)


def download_link(file: StoredFile, label: str, *, primary: bool = False) -> None:
    """Draws a button that streams a file of the store to the browser.

    Args:
        file: Its last path component is what the browser saves it as.
        label: Of the button.
        primary: Whether it is the page's main one.
    """
    token = _sign("download", {"sha256": file.sha256, "name": file.name.rsplit("/", 1)[-1]})
    st.link_button(
        label,
        _address("download", token),
        type="primary" if primary else "secondary",
        icon=":material/download:",
    )


async def _upload(request: Request) -> Response:
    try:
        _read("upload", request.path_params["token"])
    except BadSignature:
        return _problem(403, "This page has been open too long; reload it and try again.")
    name = Path(request.query_params.get("name", "")).name
    announced = int(request.headers.get("content-length") or 0)
    storage = open_storage()
    folder = storage.settings.work
    folder.mkdir(parents=True, exist_ok=True)
    room = shutil.disk_usage(folder).free // 2
    if announced > MOST_BYTES:
        return _problem(413, f"The file is larger than {MOST_BYTES // 1024**3} GB.")
    if announced > room:
        return _problem(507, "The server's disk has no room for this file; tell who runs it.")
    with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-") as part:
        taken = 0
        try:
            async for chunk in request.stream():
                taken += len(chunk)
                if taken > min(MOST_BYTES, room):
                    return _problem(413, "The file is larger than the server takes.")
                await anyio.to_thread.run_sync(part.write, chunk)
        except ClientDisconnect:
            return _problem(400, "The upload was broken off.")
        part.flush()
        kept = await anyio.to_thread.run_sync(storage.files.put, Path(part.name), name)
    receipt = {"name": kept.name, "sha256": kept.sha256, "size_bytes": kept.size_bytes}
    return JSONResponse({"receipt": _sign("receipt", receipt)})


async def _download(request: Request) -> Response:
    try:
        wanted = _read("download", request.path_params["token"])
    except BadSignature:
        return _problem(403, "This link has lapsed; reload the page that it came from.")
    try:
        stream = await anyio.to_thread.run_sync(open_storage().files.open, wanted["sha256"])
    except FileNotFoundError:
        return _problem(404, "This file is not kept any more.")
    name = quote(wanted["name"])
    return StreamingResponse(
        _pieces(stream),
        media_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


ROUTES = [
    Route(f"/{_PREFIX}/upload/{{token}}", _upload, methods=["PUT"]),
    Route(f"/{_PREFIX}/download/{{token}}", _download, methods=["GET"]),
]


def _pieces(stream: BinaryIO) -> Any:
    with stream:
        while piece := stream.read(_CHUNK):
            yield piece


def _problem(status: int, sentence: str) -> Response:
    return JSONResponse({"problem": sentence}, status_code=status)


def _receipt(token: str) -> StoredFile:
    return StoredFile(**_read("receipt", token))


def _sign(purpose: str, content: Mapping[str, object]) -> str:
    return _serializer(purpose).dumps(json.dumps(content))


def _read(purpose: str, token: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_serializer(purpose).loads(token, max_age=_LIFETIME_S))
    return content


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    # Streamlit draws a secret at each start, unless the installation sets one for all its hosts.
    return URLSafeTimedSerializer(st.get_option("server.cookieSecret"), salt=purpose)


def _address(kind: str, token: str) -> str:
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return "/" + "/".join(part for part in (base, _PREFIX, kind, token) if part)
