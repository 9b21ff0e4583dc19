"""A forwarder on the loopback that adds a bearer token: the suite of the protocol's authors can send no headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5)
_LARGEST_BODY = 64 * 1024 * 1024
_STOP_S = 1.0


@asynccontextmanager
async def forwarder(endpoint: str, token: str) -> AsyncIterator[str]:
    """Pass everything on to `endpoint` as it comes, the Host header too, and only add the Authorization header.

    Args:
        endpoint: Where requests go, whatever their path.
        token: The bearer token that is added.

    Yields:
        The address that stands for the endpoint and needs no token.
    """
    async with aiohttp.ClientSession(timeout=_NO_TIMEOUT, auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.StreamResponse:
            headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP]
            headers.append(("Authorization", f"Bearer {token}"))
            body = await request.read()
            async with session.request(
                request.method,
                endpoint,
                headers=headers,
                data=body or None,
                allow_redirects=False,
                skip_auto_headers=["Accept", "Accept-Encoding", "Content-Type", "User-Agent"],
            ) as answer:
                kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP]
                reply = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)  # type: ignore[arg-type]
                await reply.prepare(request)
                with suppress(ConnectionError):  # the suite has gone
                    async for chunk in answer.content.iter_any():
                        await reply.write(chunk)
                return reply

        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", forward)
        # A client that leaves ends its handler, and so the request behind it.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_STOP_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            await runner.cleanup()
