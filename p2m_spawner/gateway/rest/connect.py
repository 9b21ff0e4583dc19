"""``POST …/connect``: from a Blender that sleeps to one that has answered through MCP."""

import asyncio
import time

from p2m_spawner.gateway.callers import need_blender
from p2m_spawner.gateway.reach import CONNECT_DEADLINE, Waiting, reach
from p2m_spawner.gateway.refusals import forbidden
from p2m_spawner.gateway.rest.calls import Asked, Result
from p2m_spawner.gateway.rest.models import Connected, NotConnected
from p2m_spawner.gateway.servers import StartFailed


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
            reached = await reach(gateway, name, waiting, caller.mode)
    except (StartFailed, TimeoutError) as error:
        reason = str(error) or f"Not ready after {CONNECT_DEADLINE:.0f} seconds. {waiting.reason}"
        gateway.metrics.connects.labels("failed").inc()
        return 504, NotConnected(reason=reason)
    gateway.metrics.connects.labels("connected").inc()
    gateway.metrics.connect_seconds.observe(time.monotonic() - begun)
    return 200, Connected(num_tools=reached.num_tools)
