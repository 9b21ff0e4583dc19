"""The ASGI application at the MCP address: who may pass, and what becomes of errors.

Plain ASGI, so that each piece goes on as it comes, in both directions. A request's body is read first: it is small, and
the gateway has to know what it asks for. An answer is never held.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from p2m_spawner.gateway.callers import need_blender
from p2m_spawner.gateway.mcp_relay import headers, messages
from p2m_spawner.gateway.mcp_relay.answer import Answer
from p2m_spawner.gateway.mcp_relay.exchange import Exchange
from p2m_spawner.gateway.mcp_relay.sessions import Sessions
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import Refusal, hub_away, hub_refused, store_away
from p2m_spawner.gateway.store_calls import StoreAway
from p2m_spawner.gateway.tokens import MODE_HEADER, Audience
from p2m_spawner.hub_client import HubAway, HubRefused

log = logging.getLogger(__name__)

PATH = "mcp"
"""Below the gateway's prefix."""

METHODS = ("GET", "POST", "DELETE")

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request; the user's own endpoint takes as many."""

PARSED_AT_ONCE = 256 * 1024
"""Bytes of a body up to which it is parsed without a thread of its own."""


class McpRelay:
    """The ASGI application at the MCP address.

    Args:
        gateway: Its parts.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._sessions = Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request, answer = Request(scope, receive), Answer(send)
        metrics = self._gateway.metrics
        with metrics.mcp_streams.track_inprogress():
            try:
                exchange = await self._accept(request, answer)
                if not await self._until_gone(exchange.run(), receive):
                    await _interrupt(request, answer)
            except ClientDisconnect:
                log.debug("A client left before its request was complete")
            except (Refusal, HubAway, HubRefused, StoreAway) as error:
                refusal = _refusal(error)
                if refusal.status == 401:
                    metrics.refused_tokens.labels(refusal.code).inc()
                await answer.fail(refusal)

    async def _until_gone(self, work: Coroutine[Any, Any, None], receive: Receive) -> bool:
        """Do something for a client, until it has gone. Its request's body has been read.

        Returns:
            False: it was interrupted because the gateway stops.
        """
        working = asyncio.ensure_future(work)
        others = {asyncio.ensure_future(receive()), asyncio.ensure_future(self._gateway.stopping.wait())}
        try:
            await asyncio.wait({working, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, *others):
                task.cancel()
            await asyncio.wait({working, *others})
        if not working.cancelled():
            working.result()
        return not (working.cancelled() and self._gateway.stopping.is_set())

    async def _accept(self, request: Request, answer: Answer) -> Exchange:
        """Check a request and read its body.

        Raises:
            Refusal, HubAway, HubRefused, StoreAway: It gets no further.
        """
        if request.method not in METHODS:
            allowed = ", ".join(METHODS)
            raise Refusal(405, "method_not_allowed", f"This address takes {allowed}.", {"Allow": allowed})
        caller = await self._gateway.callers.identify(
            request.headers.get("authorization"),
            (Audience.MCP, Audience.REST),
            challenge=self._gateway.addresses.mcp_challenge(request),
        )
        need_blender(caller)
        mode = headers.narrowed(caller.mode, request.headers.getlist(MODE_HEADER))
        body = await request.body()
        if request.method == "POST":
            read = messages.read_requests
            requests = read(body) if len(body) <= PARSED_AT_ONCE else await asyncio.to_thread(read, body)
            if requests is None:
                raise Refusal(400, "parse_error", "The body is not a JSON-RPC message.")
            answer.requests = requests
            answer.takes_events = headers.takes_events(request.headers.get("accept", ""))
        return Exchange(self._gateway, self._sessions, caller, mode, request, body, answer)


async def _interrupt(request: Request, answer: Answer) -> None:
    """End an answer because the gateway stops."""
    if answer.started and headers.SESSION in request.headers:
        await answer.end()  # its call goes on, and the client resumes the stream
        return
    message = (
        "The hub is being restarted, and this was interrupted. Try again in a minute, and look at the scene before you "
        "repeat a change."
    )
    await answer.fail(Refusal(503, "stopping", message, {"Retry-After": "60"}))


def _refusal(error: Refusal | HubAway | HubRefused | StoreAway) -> Refusal:
    """An error as an answer; what is the operator's goes to the log."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HubAway):
        log.warning("MCP: %s", error)
        return hub_away(error.retry_after)
    if isinstance(error, HubRefused):
        log.error("MCP: the hub refuses: %s %s", error.status, error.message)
        return hub_refused()
    return store_away()
