"""``POST …/connect``: from a Blender that sleeps to one that has answered through MCP."""

import asyncio
import time

from p2m_spawner import urls
from p2m_spawner.gateway.callers import need_blender
from p2m_spawner.gateway.mcp_probe import NoTools, count_tools
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import forbidden
from p2m_spawner.gateway.rest.calls import Asked, Result
from p2m_spawner.gateway.rest.models import Connected, NotConnected
from p2m_spawner.gateway.rest.sessions import existing
from p2m_spawner.gateway.servers import StartFailed, Status, state_of

CONNECT_DEADLINE = 30.0
"""Seconds that a connect call waits."""

POLL_INTERVAL = 0.2
"""Seconds between two looks at a status that is not ready."""


async def connect(asked: Asked) -> Result:
    """Wake a user's Blender if it sleeps, and reach it as an MCP client does."""
    gateway, caller = asked.gateway, asked.caller
    name = asked.query.user_id or caller.name
    if name == caller.name:
        need_blender(caller)
    elif not caller.admin:
        raise forbidden("Only administrators of this hub may connect to somebody else's Blender.")
    waiting = Waiting()
    begun = time.monotonic()
    try:
        async with asyncio.timeout(CONNECT_DEADLINE):
            tools = await _reach(gateway, name, waiting)
    except (StartFailed, TimeoutError) as error:
        reason = str(error) or f"Not ready after {CONNECT_DEADLINE:.0f} seconds. {waiting.reason}"
        gateway.metrics.connects.labels("failed").inc()
        return 504, NotConnected(reason=reason)
    gateway.metrics.connects.labels("connected").inc()
    gateway.metrics.connect_seconds.observe(time.monotonic() - begun)
    return 200, Connected(num_tools=tools)


class Waiting:
    """What a connect call waits for.

    Attributes:
        reason: A sentence.
    """

    reason = "The hub has not answered yet."


async def _reach(gateway: Gateway, name: str, waiting: Waiting) -> int:
    """Number of tools, once Blender is ready and its MCP server has listed them.

    Raises:
        StartFailed: The server cannot be started.
    """
    while True:
        user = await existing(gateway, name)
        if state_of(user.server) != "ready":
            async for step in gateway.servers.start(name).follow():
                waiting.reason = step.message
            user = await existing(gateway, name)
        status = await gateway.servers.status(user)
        waiting.reason = why_not_ready(status)
        url = await gateway.servers.url(user, urls.MCP)
        if status is not None and status["ready"] and url is not None:
            try:
                return await count_tools(gateway.servers.http, url)
            except NoTools as error:
                waiting.reason = str(error)
        await asyncio.sleep(POLL_INTERVAL)


def why_not_ready(status: Status | None) -> str:
    """What a server that runs is waiting for, as a sentence."""
    if status is None:
        return "The server does not answer yet."
    blender, mcp = status["blender"], status["mcp"]
    if blender["state"] not in ("ready", "busy"):
        because = f": {blender['reason']}" if blender["reason"] else ""
        return f"Blender is {blender['state']}{because}."
    return f"Blender is {blender['state']}, its MCP server is {mcp['state']}."
