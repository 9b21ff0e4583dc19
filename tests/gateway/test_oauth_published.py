"""A client that publishes a document, from the consent page to its tokens.

The answers of the internet are given here, since a test has none; and those of the hub, in whose process the gateway
then need not run.
"""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from p2m_spawner.gateway.addresses import Addresses
from p2m_spawner.gateway.callers import Callers
from p2m_spawner.gateway.grants import Grants
from p2m_spawner.gateway.keys import KeyRing
from p2m_spawner.gateway.metrics import Metrics
from p2m_spawner.gateway.oauth.authorization import PER_PERSON
from p2m_spawner.gateway.oauth.public_fetch import Unreachable
from p2m_spawner.gateway.oauth.server import OAuthServer
from p2m_spawner.gateway.pages import Pages
from p2m_spawner.gateway.pkce import challenge
from p2m_spawner.gateway.sealed import seal
from p2m_spawner.gateway.settings import GatewaySettings
from p2m_spawner.gateway.sign_in import SESSION_COOKIE, SignIn, SignInNeeded
from p2m_spawner.gateway.store import GrantStore
from p2m_spawner.gateway.tokens import Audience
from p2m_spawner.hub_client import HubClient

from .test_oauth_documents import DOCUMENT, Web

CLIENT_ID = "https://app.example/client.json"


class Hub:
    """What a hub says of Ada, unless it is away."""

    away = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.away:
            raise httpx2.ConnectError("refused")
        return hub_answers(request)


def hub_answers(request: httpx2.Request) -> httpx2.Response:
    """What a hub says of Ada."""
    path = request.url.path.removeprefix("/hub/api/")
    ada = {"name": "ada", "kind": "user", "admin": False, "created": "2020-01-01T00:00:00Z", "servers": {}}
    if path == "user":
        return httpx2.Response(200, json={**ada, "scopes": ["access:services!service=p2m"], "token_id": "a1"})
    return httpx2.Response(200, json=ada) if path == "users/ada" else httpx2.Response(404, json={"message": "no"})


class Published:
    """An authorization server, the web that it reads documents from, and Ada's browser."""

    def __init__(self, folder: Path) -> None:
        settings = GatewaySettings.from_environment(
            {
                "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:8082",
                "JUPYTERHUB_SERVICE_PREFIX": "/services/p2m/",
                "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
                "JUPYTERHUB_API_TOKEN": "secret",
                "JUPYTERHUB_CLIENT_ID": "service-p2m",
                "P2M_STATE": str(folder),
                "P2M_PUBLIC_URL": "https://hub.example",
            }
        )
        self.web = Web(json.dumps(DOCUMENT).encode())
        self.keys = KeyRing(folder / "keys.json")
        self.grants = Grants(GrantStore(settings.db_url), self.keys)
        self.hub = Hub()
        hub = HubClient(settings.hub_api_url, "secret", httpx2.MockTransport(self.hub))
        callers, addresses, pages = Callers(hub, self.grants), Addresses(settings), Pages(settings)
        self.sign_in = SignIn(settings, hub, callers, self.keys, addresses, pages)
        self.oauth = OAuthServer(
            settings, self.grants, self.keys, callers, addresses, Metrics(), pages, self.sign_in, self.web
        )
        app = Starlette(routes=list(self.oauth.routes()), exception_handlers={SignInNeeded: self._begin})
        cookie = seal(self.keys, "session", {"hub": "a-hub-token", "xsrf": "x"}, 60, time.time())
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="https://hub.example", cookies={SESSION_COOKIE: cookie}
        )

    async def _begin(self, request: Request, error: Exception) -> Response:
        return self.sign_in.begin(request)

    async def consent(self) -> httpx2.Response:
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": "https://app.example/cb",
            "code_challenge": challenge("verifier"),
            "code_challenge_method": "S256",
        }
        return await self.http.get("/services/p2m/oauth/authorize", params=query)


@pytest.fixture
async def published(tmp_path: Path) -> AsyncIterator[Published]:
    made = Published(tmp_path)
    yield made
    await made.http.aclose()
    made.oauth.close()
    made.grants.close()


async def metadata(published: Published) -> dict[str, Any]:
    answer = await published.http.get("/.well-known/oauth-authorization-server/services/p2m")
    return dict(answer.json())


async def test_a_published_client_is_named_with_its_publisher_and_gets_tokens(published: Published) -> None:
    page = await published.consent()
    assert page.status_code == 200
    assert 'data-verified="true"' in page.text
    assert "Published by <strong>app.example</strong>" in page.text
    form = {"_xsrf": "x", "mode": "no-code", "decision": "allow"}
    pressed = await published.http.post(page.url, data=form)
    answer = parse_qs(urlsplit(pressed.headers["Location"]).query)
    assert answer["iss"] == ["https://hub.example/services/p2m"]
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": answer["code"][0],
        "redirect_uri": "https://app.example/cb",
        "code_verifier": "verifier",
    }
    tokens = await published.http.post("/services/p2m/oauth/token", data=form)
    assert tokens.status_code == 200, tokens.text
    claims = await published.grants.verify(tokens.json()["access_token"], [Audience.MCP])
    assert (claims.user, claims.client, claims.mode.value) == ("ada", "App", "no-code")
    assert published.web.asked == 1, "strangers at the token endpoint make the hub fetch nothing"


async def test_who_is_not_signed_in_makes_the_hub_fetch_nothing(published: Published) -> None:
    published.http.cookies.clear()
    answer = await published.consent()
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    cookie = answer.headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/services/p2m/"} <= set(cookie.split("; "))
    assert published.web.asked == 0


async def test_one_person_makes_the_hub_fetch_so_much_and_no_more(published: Published) -> None:
    published.web.answer = b"{}"
    statuses = [(await published.consent()).status_code for _ in range(PER_PERSON + 3)]
    assert statuses == [400] * PER_PERSON + [429] * 3
    assert published.web.asked == PER_PERSON


async def test_a_person_who_comes_while_the_hub_is_away_reads_a_page(published: Published) -> None:
    published.hub.away = True
    page = await published.consent()
    assert page.status_code == 503
    assert int(page.headers["Retry-After"]) > 0
    assert page.headers["Content-Type"].startswith("text/html")
    assert "may be restarting" in page.text
    published.hub.away = False
    assert (await published.consent()).status_code == 200


async def test_without_the_internet_clients_are_told_to_register(published: Published) -> None:
    assert (await metadata(published))["client_id_metadata_document_supported"] is True
    published.web.answer = Unreachable("app.example does not answer this hub.")
    page = await published.consent()
    assert page.status_code == 400
    assert "Connect again" in page.text
    assert (await metadata(published))["client_id_metadata_document_supported"] is False
