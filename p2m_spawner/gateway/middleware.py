"""What every request passes before any route: is it too large, does it come from where it should.

Plain ASGI, so that streams pass unbuffered. Refusals are those of `refusals`.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from p2m_spawner.gateway.refusals import Refusal, forbidden

MAX_BODY = 64 * 1024
"""Bytes of a request body where nothing else is said; the largest REST call has under 2 kB."""

MOST_DRAINED = 64 * 1024 * 1024
"""Bytes of a body that is too large which are read nevertheless, for the answer to arrive."""


def refusal_response(refusal: Refusal) -> JSONResponse:
    """A refusal as an HTTP answer."""
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return JSONResponse(refusal.body, refusal.status, headers)


class BodyLimit:
    """Refuses request bodies over a limit with 413, and keeps none of them.

    Args:
        app: What comes after.
        limit: Bytes.
        larger: Other limits by path.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY, larger: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._limit = limit
        self._larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        refusal = Refusal(413, "too_large", f"The request is larger than {limit // 1024} KiB.")
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > limit:
            await _drain(receive)
            await refusal_response(refusal)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                if message.get("more_body"):
                    await _drain(receive)
                raise refusal
            return message

        await self._app(scope, limited, send)


async def _drain(receive: Receive) -> None:
    """Read the rest of a body and forget it: who still sends when the connection closes does not see the answer."""
    left = MOST_DRAINED
    while left > 0:
        message = await receive()
        if not message.get("more_body"):
            return
        left -= len(message["body"])


class SameSite:
    """Refuses foreign ``Host`` and ``Origin`` headers with 403.

    A web page elsewhere must neither send requests to the gateway (``Origin``) nor point a name of its own at it (DNS
    rebinding: ``Host``). An IP address cannot be rebound, so every address is a good host.

    Args:
        app: What comes after.
        public_url: Origin of the hub, None when it is not set.
    """

    def __init__(self, app: ASGIApp, public_url: str | None = None) -> None:
        self._app = app
        public = urlsplit(public_url or "")
        self._hosts = {"localhost", public.hostname} - {None}
        self._origins = {public.netloc.lower()} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal_response(refusal)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Refusal | None:
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        if not self._is_ours(host):
            message = "The gateway does not answer to this host name. If it is the hub's own, set P2M_PUBLIC_URL."
            return forbidden(message, code="foreign_host")
        if origin is not None and _netloc(origin) not in {host, *self._origins}:
            return forbidden("Pages of other sites may not use this address.", code="foreign_origin")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        try:
            ip_address(name)
        except ValueError:
            return name in self._hosts
        return True


def _netloc(origin: str) -> str | None:
    """Host and port of an origin; None for ``null`` and what is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
