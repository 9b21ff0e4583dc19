"""What an MCP client gets for one request: an answer passed on, or a stream of events that begins before it."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.types import Send

from p2m_spawner.gateway.mcp_relay import messages
from p2m_spawner.gateway.mcp_relay.headers import EVENT_STREAM, SESSION
from p2m_spawner.gateway.mcp_relay.messages import RpcRequest
from p2m_spawner.gateway.refusals import Refusal

_EVENT_HEADERS = [
    ("content-type", EVENT_STREAM),
    ("cache-control", "no-store"),
    ("x-accel-buffering", "no"),  # nginx keeps a stream back otherwise
]


class Answer:
    """The answer to one HTTP request.

    Args:
        send: ASGI's.

    Attributes:
        requests: The messages that want an answer, once they are known.
        takes_events: Whether the client reads streams of events.
        session: The session that a stream names that begins by itself.
        started: Whether status and headers are sent.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._progress = -100.0
        self.requests: Sequence[RpcRequest] = ()
        self.takes_events = False
        self.session: str | None = None
        self.started = False

    async def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send status and headers."""
        self.started = True
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, chunk: bytes) -> None:
        """Send the next piece, at once."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        """Say that the answer is complete."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def tell(self, message: str, percent: float = 0.0) -> None:
        """Tell the client what it waits for; nothing when it reads no events.

        Who asked for progress gets notifications, anybody else lines that only keep the connection alive. Progress must
        grow, and Blender's own begins at 0: so this part of the way counts from -100.

        Args:
            message: What is being done.
            percent: How far the start is.
        """
        if not self.takes_events:
            return
        if not self.started:
            await self.begin(200, _EVENT_HEADERS + ([(SESSION, self.session)] if self.session else []))
        self._progress = min(max(percent - 100, self._progress + 0.01), -0.01)
        tokens = [request.progress_token for request in self.requests if request.progress_token is not None]
        for token in tokens:
            await self.write(messages.event(messages.progress(token, self._progress, message)))
        if not tokens:
            await self.write(messages.comment(message))

    async def message(self, message: dict[str, Any]) -> None:
        """Send one message as the whole answer."""
        if not self.started:
            await self.begin(200, [("content-type", "application/json")])
            await self.write(json.dumps(message).encode())
        else:
            await self.write(messages.event(message))
        await self.end()

    async def fail(self, refusal: Refusal, unanswered: Sequence[RpcRequest] | None = None) -> None:
        """Send a refusal, as JSON-RPC errors, which MCP clients show.

        Args:
            refusal: What it is.
            unanswered: Whom it concerns, when a stream goes on; all requests when left out.
        """
        if self.started:
            for request in self.requests if unanswered is None else unanswered:
                await self.write(messages.event(messages.error(request.id, refusal.message, word=refusal.code)))
        else:
            headers = {"content-type": "application/json", "cache-control": "no-store", **refusal.headers}
            body = messages.errors(self.requests, refusal.message, refusal.code)
            await self.begin(refusal.status, [(name.lower(), value) for name, value in headers.items()])
            await self.write(json.dumps(body).encode())
        await self.end()
