"""A link is often the first request that a fresh server gets: it must lead through the frame.

Streamlit runs the files of a folder named ``pages`` beside its script without that script, and
so without the sign-in, unless the script is started as ``app.py`` does it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from core.storage import create_draft
from tests.browser.look import main, press, settle, shows, visit
from tests.browser.server import Server

SECRETS = """
[auth]
redirect_uri = "{app}oauth2callback"
cookie_secret = "only-for-this-test-only-for-this-test"
client_id = "measure-first"
client_secret = "only-for-this-test"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


class Provider(BaseHTTPRequestHandler):
    """As much of an identity provider as it takes to be asked who somebody is."""

    def do_GET(self) -> None:
        address = f"http://{self.headers['Host']}"
        if self.path == "/.well-known/openid-configuration":
            kind = "application/json"
            body = f'{{"issuer": "{address}", "authorization_endpoint": "{address}/authorize"}}'
        else:
            kind, body = "text/html", "<h1>Who are you?</h1>"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("decision?id=nosuch", "There is no evaluation under this link; it may have been deleted."),
        ("runs", "Choose an evaluation from the list, or start a new one."),
    ],
)
def test_the_first_request_is_a_link(own_app: Server, page: Page, link: str, sentence: str) -> None:
    own_app.worker = False
    own_app.start()
    visit(page, own_app.url(link), sentence)
    header = page.get_by_test_id("stHeader")
    expect(header.get_by_role("link", name="Guide")).to_be_visible()
    header.get_by_role("link", name="Guide").click()
    shows(page, "The six verdicts")


def test_a_link_leads_to_the_sign_in_first(own_app: Server, page: Page) -> None:
    with provider() as address:
        secrets = own_app.folder / "secrets.toml"
        secrets.write_text(SECRETS.format(app=own_app.url(), provider=address))
        own_app.options = ("--secrets.files", str(secrets))
        own_app.worker = False
        own_app.start()
        id = create_draft(own_app.storage, name="Secret project")
        for name in ("upload", "method", "runs", "decision", "guide", ""):
            visit(page, own_app.url(name, id), "Sign in to see your team's evaluations.")
            assert main(page).inner_text().split("\n\n") == [
                "Measure First",
                "Sign in to see your team's evaluations.",
                "Sign in",
            ]
            expect(page.get_by_role("link", name="Guide")).to_have_count(0)
        settle(page)
        press(page, "Sign in")
        expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
        asked = parse_qs(urlsplit(page.url).query)
        assert asked["client_id"] == ["measure-first"]
        assert asked["redirect_uri"] == [own_app.url("oauth2callback")]
