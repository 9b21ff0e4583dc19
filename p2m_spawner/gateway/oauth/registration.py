"""Dynamic client registration (RFC 7591): open to everybody, hence throttled, and its table bounded."""

import time
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from p2m_spawner.accounts.throttle import LeakyBuckets, address_key
from p2m_spawner.gateway.metrics import Metrics
from p2m_spawner.gateway.oauth import redirects
from p2m_spawner.gateway.oauth.client_metadata import AUTH_METHODS, BadMetadata, ClientMetadata, validated
from p2m_spawner.gateway.oauth.clients import Clients, shown_name
from p2m_spawner.gateway.oauth.problems import OAuthProblem
from p2m_spawner.gateway.oauth.scopes import SCOPES

PER_ADDRESS = 60
PERIOD = 600.0
"""So many registrations of one network address in so many seconds; a program registers once."""

DEFAULT_METHOD = "client_secret_basic"
"""How a client that does not say so proves itself (RFC 7591, section 2)."""


class Registration:
    """The registration endpoint.

    Args:
        clients: Keep what registers.
        metrics: Count it.
        clock: Monotonic seconds.
    """

    def __init__(self, clients: Clients, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._metrics = metrics
        self._throttle: LeakyBuckets[str] = LeakyBuckets(PER_ADDRESS, PERIOD, clock)

    async def __call__(self, request: Request) -> Response:
        """Take a new client.

        Raises:
            OAuthProblem: It is not taken.
        """
        where = address_key(_address(request))
        if wait := self._throttle.wait(where):
            seconds = max(1, round(wait))
            text = f"Too many registrations from this network. Try again in {seconds} seconds."
            raise OAuthProblem("temporarily_unavailable", text, 429, {"Retry-After": str(seconds)})
        self._throttle.add(where)
        try:
            metadata = ClientMetadata.model_validate_json(await request.body())
            validated(metadata)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"])) or "The body"
            raise OAuthProblem("invalid_client_metadata", f"{place}: {first['msg']}.") from error
        except BadMetadata as error:
            raise OAuthProblem(error.code, str(error)) from error
        method = metadata.token_endpoint_auth_method or DEFAULT_METHOD
        if method not in AUTH_METHODS:
            known = ", ".join(AUTH_METHODS)
            raise OAuthProblem("invalid_client_metadata", f"token_endpoint_auth_method must be one of {known}.")
        uris = tuple(metadata.redirect_uris)
        name = shown_name(metadata.client_name, redirects.host(uris[0]))
        client, secret = await self._clients.register(name, uris, public=method == "none")
        self._metrics.oauth.labels("register", "ok").inc()
        answer: dict[str, Any] = {
            "client_id": client.id,
            "client_id_issued_at": int(time.time()),
            "client_name": name,
            "redirect_uris": list(uris),
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            "scope": " ".join(SCOPES),
        }
        if secret:
            answer |= {"client_secret": secret, "client_secret_expires_at": 0}
        return JSONResponse(answer, 201, {"Cache-Control": "no-store"})


def _address(request: Request) -> str:
    """Where a request came from: what the hub's own proxy has seen, which it adds at the end."""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return forwarded or (request.client.host if request.client else "")
