"""An OAuth client as a test writes it: every parameter can be wrong on purpose."""

import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from p2m_spawner.gateway.pkce import challenge

from .hub import Hub, Person

REDIRECT = "http://127.0.0.1:1/callback"
"""Where answers go; nobody listens, tests read them off the redirect."""


class OAuthClient:
    """A client of one hub's authorization server.

    Args:
        hub: The hub.
        redirect_uris: What it registers.
        metadata: More of it, or other values.

    Attributes:
        id: Its client id.
        registered: The answer to its registration.
    """

    def __init__(self, hub: Hub, *redirect_uris: str, **metadata: Any) -> None:
        self.hub = hub
        self.at = f"{hub.url}/services/p2m/oauth/"
        self.redirect_uris = list(redirect_uris) or [REDIRECT]
        body = {"redirect_uris": self.redirect_uris, "client_name": "Test app", "token_endpoint_auth_method": "none"}
        answer = register(hub, body | metadata)
        assert answer.status_code == 201, answer.text
        self.registered: dict[str, Any] = answer.json()
        self.id: str = self.registered["client_id"]
        self.verifier = secrets.token_urlsafe(48)

    def query(self, **changes: str | None) -> dict[str, str]:
        """Parameters of an authorization request; None leaves one out."""
        query = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uris[0],
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
            "state": "a state & more",
            "resource": f"{self.hub.url}/services/p2m/mcp",
            **changes,
        }
        return {name: value for name, value in query.items() if value is not None}

    def url(self, **changes: str | None) -> str:
        """An authorization request, for a browser."""
        return f"{self.at}authorize?{urlencode(self.query(**changes))}"

    def open(self, person: Person, **changes: str | None) -> requests.Response:
        """Open the consent page, by way of the hub when nobody is signed in."""
        return person.session.get(self.url(**changes), timeout=30)

    def press(self, person: Person, page: requests.Response, **fields: str) -> requests.Response:
        """Send the consent page's form; what is not given is as on the page."""
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert xsrf, page.text
        form = {"_xsrf": xsrf[1], "mode": "full", "decision": "allow", **fields}
        return person.session.post(page.url, data=form, timeout=30, allow_redirects=False)

    def answer(self, person: Person, mode: str = "full", **changes: str | None) -> dict[str, str]:
        """What comes back when the person agrees."""
        page = self.open(person, **changes)
        assert page.status_code == 200, page.text
        pressed = self.press(person, page, mode=mode)
        assert pressed.status_code == 303, pressed.text
        location = pressed.headers["Location"]
        assert location.startswith(f"{self.query(**changes)['redirect_uri']}?"), location
        return dict(parse_qsl(urlsplit(location).query))

    def code(self, person: Person, mode: str = "full", **changes: str | None) -> str:
        """An authorization code."""
        return self.answer(person, mode, **changes)["code"]

    def token(self, **changes: str | None) -> requests.Response:
        """Ask the token endpoint for a code's tokens."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uris[0],
            "code_verifier": self.verifier,
            **changes,
        }
        return self.post("token", {name: value for name, value in form.items() if value is not None})

    def refresh(self, refresh_token: str, **changes: str) -> requests.Response:
        """Ask the token endpoint for new tokens."""
        form = {"grant_type": "refresh_token", "client_id": self.id, "refresh_token": refresh_token}
        return self.post("token", form | changes)

    def post(self, path: str, form: Any, **options: Any) -> requests.Response:
        return requests.post(self.at + path, data=form, timeout=30, **options)

    def tokens(self, person: Person, mode: str = "full") -> dict[str, Any]:
        """All the way to tokens."""
        answer = self.token(code=self.code(person, mode))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


def register(hub: Hub, body: Any) -> requests.Response:
    return requests.post(f"{hub.url}/services/p2m/oauth/register", json=body, timeout=30)
