"""``P2M_AUTH=oauth``: a real hub signs people in at an OAuth provider, set up by environment alone."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.support.hub import Hub


class Provider(BaseHTTPRequestHandler):
    """An OAuth provider in which one person is always signed in (RFC 6749, section 4.1)."""

    def _answer(self, status: int, body: dict[str, str] | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body or {}).encode())

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/authorize" and query["client_id"] == "p2m":
            back = urlencode({"code": "once", "state": query["state"]})
            self._answer(302, Location=f"{query['redirect_uri']}?{back}")
        elif url.path == "/userinfo" and self.headers["Authorization"] == "Bearer at-the-provider":
            self._answer(200, {"sub": "1", "preferred_username": "grace"})
        else:
            self._answer(400)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        right = sent.get("code") == ["once"] and sent.get("client_secret") == ["shared secret"]
        if self.path == "/token" and right:
            self._answer(200, {"access_token": "at-the-provider", "token_type": "bearer"})
        else:
            self._answer(400, {"error": "invalid_grant"})

    def log_message(self, format: str, *args: object) -> None:
        print("provider:", format % args)


@pytest.fixture
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


def oauth_hub(state_dir: Path, provider: str, **settings: str) -> Hub:
    hub = Hub(state_dir, P2M_AUTH="oauth", **settings)
    hub.environment.update(
        OAUTH_CLIENT_ID="p2m",
        OAUTH_CLIENT_SECRET="shared secret",
        OAUTH_CALLBACK_URL=f"{hub.url}/hub/oauth_callback",
        OAUTH2_AUTHORIZE_URL=f"{provider}/authorize",
        OAUTH2_TOKEN_URL=f"{provider}/token",
        OAUTH2_USERDATA_URL=f"{provider}/userinfo",
    )
    return hub.start()


@pytest.mark.parametrize(("signup", "status"), [("open", 200), ("closed", 403)])
def test_a_person_of_the_provider_comes_in_when_sign_up_is_open(tmp_path, provider, signup, status):
    hub = oauth_hub(tmp_path / "state", provider, P2M_SIGNUP=signup)
    try:
        answer = requests.Session().get(f"{hub.url}/hub/oauth_login?next=%2Fhub%2Fhome", timeout=30)
        assert answer.status_code == status
        if status == 200:
            assert answer.url == f"{hub.url}/hub/home"
            assert "grace" in answer.text
            assert "change-password" not in answer.text, "the password is the provider's affair"
    finally:
        hub.down()
