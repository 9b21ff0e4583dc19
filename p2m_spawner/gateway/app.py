"""The web application: what every request passes, which module answers it, and how errors look."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from p2m_spawner.gateway import connect_page, mcp_relay, metrics_page, rest, sessions_page
from p2m_spawner.gateway.middleware import BodyLimit, SameSite, refusal_response
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import Refusal, hub_away, hub_refused, store_away
from p2m_spawner.gateway.sign_in import SignInNeeded
from p2m_spawner.gateway.store_calls import StoreAway
from p2m_spawner.hub_client import HubAway, HubRefused

log = logging.getLogger(__name__)

Handler = Callable[[Request, Exception], Awaitable[Response]]


def create_app(gateway: Gateway) -> Starlette:
    """The application.

    Args:
        gateway: Its parts; closed when the application ends.
    """
    prefix = gateway.settings.prefix
    # Each topic has its module with `routes(gateway)`; first match wins.
    routes: list[BaseRoute] = [
        Route(f"{prefix}health", health, methods=["GET"]),
        *gateway.sign_in.routes(),
        *gateway.oauth.routes(),
        *rest.routes(gateway),
        *metrics_page.routes(gateway),
        *mcp_relay.routes(gateway),
        *connect_page.routes(gateway),
        *sessions_page.routes(gateway),
    ]
    larger_bodies = {f"{prefix}{mcp_relay.PATH}": mcp_relay.MAX_BODY}  # bytes, where 64 KiB are too few

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with gateway:
            yield

    return Starlette(
        routes=routes,
        middleware=[
            Middleware(SameSite, public_url=gateway.settings.public_url),
            Middleware(BodyLimit, larger=larger_bodies),
        ],
        exception_handlers={
            Refusal: _refused,
            SignInNeeded: _sign_in(gateway),
            HTTPException: _http_error,
            HubAway: _hub_away,
            HubRefused: _hub_refused,
            StoreAway: _store_away,
            Exception: _unforeseen,
        },
        lifespan=lifespan,
    )


def _sign_in(gateway: Gateway) -> Handler:
    """Sends browsers to the hub from pages that are for somebody."""

    async def begin(request: Request, error: Exception) -> Response:
        try:
            return gateway.sign_in.begin(request)
        except Refusal as refusal:
            return refusal_response(refusal)

    return begin


async def health(request: Request) -> Response:
    """Tell that the gateway runs, whatever the hub does."""
    return JSONResponse({"ok": True})


# Errors, in the one shape of all of them


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - Starlette's handlers are typed for any exception
    return refusal_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    """What Starlette refuses: no such path, wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    sentences = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
    }
    message = sentences.get(status, status.phrase)
    return refusal_response(Refusal(status, status.name.lower(), message, error.headers))


async def _hub_away(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubAway)  # noqa: S101
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return refusal_response(hub_away(error.retry_after))


async def _hub_refused(request: Request, error: Exception) -> Response:
    """A refusal that no route foresaw: the gateway's role lacks a scope, or the hub is in trouble."""
    assert isinstance(error, HubRefused)  # noqa: S101
    log.error("%s %s: the hub refuses: %s %s", request.method, request.url.path, error.status, error.message)
    return refusal_response(hub_refused())


async def _store_away(request: Request, error: Exception) -> Response:
    return refusal_response(store_away())


async def _unforeseen(request: Request, error: Exception) -> Response:
    """Starlette raises the error again afterwards, so that the server logs it."""
    return refusal_response(Refusal(500, "internal", "Something went wrong in the gateway; its log says what."))
