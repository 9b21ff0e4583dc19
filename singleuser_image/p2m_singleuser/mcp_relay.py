"""`…/p2m/mcp`: passes streamable HTTP on to the MCP server's unix socket, each event as it comes.

jupyter-server-proxy holds a reply back until it is complete and does not pass a client's disconnect on (its handler
streams only when ``Accept`` is exactly ``text/event-stream``; MCP clients send two types), hence a relay of our own.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from jupyter_server._tz import utcnow
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import stream_request_body

from p2m_singleuser import modes
from p2m_singleuser.bearer import RETRY_AFTER_S, Refused, authenticate
from p2m_singleuser.mcp_server import MAX_REQUEST_BYTES

UPSTREAM_URL = "http://localhost/mcp"
"""The host is one the MCP server's rebinding protection knows; the client's own is checked here."""

ALLOWED_METHODS = "GET, POST, DELETE"

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5)
_SERVER_ERROR = -32000
_REQUEST_HEADERS = {
    "accept",
    "content-type",
    "last-event-id",
    "traceparent",
    "tracestate",
    "user-agent",
    modes.HEADER.lower(),
}
_RESPONSE_HEADERS = {"allow", "cache-control", "content-type", "retry-after"}
_MCP_PREFIX = "mcp-"


@stream_request_body
class McpRelayHandler(JupyterHandler):
    """One MCP request. Only the Authorization header opens it, so it needs no XSRF check."""

    def initialize(self, socket_path: Path) -> None:
        """Take over what the route was registered with."""
        self._socket_path = socket_path
        self._body = bytearray()
        self._refused: Refused | None = None
        self._relaying: asyncio.Task[None] | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        """Decide whether the request may pass; the answer waits until its body is read, or a client would miss it."""
        self.current_user = self._jupyter_current_user = None
        try:
            self._check_method_and_origin()
            user = await authenticate(self.request.headers.get("Authorization"), self.identity_provider)
        except Refused as refused:
            self._refused = refused
        else:
            self.current_user = self._jupyter_current_user = user

    def check_xsrf_cookie(self) -> None:
        """Pass: cookies open nothing here."""

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the request body, unless it is refused already or grows too large."""
        if self._refused is not None:
            return
        self._body += chunk
        if len(self._body) > MAX_REQUEST_BYTES:
            self._body.clear()
            limit = MAX_REQUEST_BYTES // (1024 * 1024)
            self._refused = Refused(
                413, f"The request is larger than {limit} MiB. Split it, or upload a file and let Blender open it."
            )

    @allow_unauthenticated
    async def get(self) -> None:
        """Open the stream of what the server says unasked."""
        await self._serve()

    @allow_unauthenticated
    async def post(self) -> None:
        """Pass a message on."""
        await self._serve()

    @allow_unauthenticated
    async def delete(self) -> None:
        """End a session."""
        await self._serve()

    @allow_unauthenticated
    async def options(self) -> None:
        """Refuse: pages of other origins get no access."""
        await self._serve()

    def on_connection_close(self) -> None:
        """Drop the request upstream when the client went away."""
        super().on_connection_close()
        if self._relaying is not None:
            self._relaying.cancel()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write an error as JSON-RPC, which MCP clients show to their users."""
        self._write_failure(kwargs.get("reason") or self._reason)

    async def _serve(self) -> None:
        try:
            if self._refused is not None:
                raise self._refused
            if self.request.method != "GET":
                self._note_activity()
            self._relaying = asyncio.create_task(self._relay())
            await asyncio.wait([self._relaying])
            if not self._relaying.cancelled():
                self._relaying.result()
        except Refused as refused:
            self.set_status(refused.status)
            for name, value in refused.headers.items():
                self.set_header(name, value)
            self._write_failure(str(refused))

    def _check_method_and_origin(self) -> None:
        if self.request.method not in ALLOWED_METHODS.split(", "):
            raise Refused(405, f"This address takes {ALLOWED_METHODS}.", Allow=ALLOWED_METHODS)
        if not self.check_host():
            raise Refused(403, "This server does not answer to that host name.")
        origin = self.request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != self.request.host.lower():
            raise Refused(403, f"Pages of {origin} may not use this address.")

    async def _relay(self) -> None:
        connector = aiohttp.UnixConnector(path=str(self._socket_path))
        async with aiohttp.ClientSession(
            connector=connector, timeout=_NO_TIMEOUT, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            try:
                reply = await session.request(
                    self.request.method or "",
                    UPSTREAM_URL,
                    headers=self._request_headers(),
                    data=bytes(self._body) or None,
                    allow_redirects=False,
                    skip_auto_headers=["Accept", "Accept-Encoding", "Content-Type", "User-Agent"],
                )
            except aiohttp.ClientConnectorError as error:
                raise _unavailable(503, "Blender's MCP server is starting or restarting.") from error
            except aiohttp.ClientError as error:
                raise _unavailable(
                    502, "Blender's MCP server ended before it answered; it restarts by itself."
                ) from error
            async with reply:
                await self._pass_on(reply)
        await self.finish()

    async def _pass_on(self, reply: aiohttp.ClientResponse) -> None:
        self.set_status(reply.status, reply.reason)
        for name, value in reply.headers.items():
            if name.lower() in _RESPONSE_HEADERS or name.lower().startswith(_MCP_PREFIX):
                self.set_header(name, value)
        streams_events = reply.content_type == "text/event-stream"
        if streams_events:
            self.set_header("X-Accel-Buffering", "no")
            if self.request.method == "GET":
                # The hub's proxy keeps headers until the first byte after them; an idle stream says nothing for 15 s.
                self.write(": open\r\n\r\n")
            await self.flush()
        try:
            async for chunk in reply.content.iter_any():
                self.write(chunk)
                await self.flush()
                if self.request.method == "POST" and not chunk.startswith(b":"):
                    self._note_activity()  # a line that begins with a colon is a keep-alive, no event
        except aiohttp.ClientError as error:
            self.log.warning("p2m: the MCP server ended in the middle of a reply: %s", error)
            if streams_events:
                message = (
                    "Blender's MCP server ended before it answered; it restarts by itself. Try again in a few seconds."
                )
                self.write(f"event: message\r\ndata: {_rpc_error(message, _request_id(self._body))}\r\n\r\n")

    def _request_headers(self) -> list[tuple[str, str]]:
        return [
            (name, value)
            for name, value in self.request.headers.get_all()
            if name.lower() in _REQUEST_HEADERS or name.lower().startswith(_MCP_PREFIX)
        ]

    def _note_activity(self) -> None:
        """Count as use of the server: Jupyter's `last_activity` is the newest of all ``*_last_activity`` settings."""
        self.settings["p2m_mcp_last_activity"] = utcnow()

    def _write_failure(self, message: str) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(_rpc_error(message, None))


def _unavailable(status: int, message: str) -> Refused:
    return Refused(status, f"{message} Try again in a few seconds.", Retry_After=str(RETRY_AFTER_S))


def _rpc_error(message: str, request_id: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": {"code": _SERVER_ERROR, "message": message}})


def _request_id(body: bytes | bytearray) -> Any:
    try:
        message = json.loads(body)
    except ValueError:
        return None
    return message.get("id") if isinstance(message, dict) else None
