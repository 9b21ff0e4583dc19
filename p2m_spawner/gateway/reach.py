"""Reaches a user's Blender as an MCP client does: wakes it, waits until it is ready, lists its tools."""

import asyncio
import time
from dataclasses import dataclass

from p2m_spawner import urls
from p2m_spawner.gateway.mcp_probe import NoTools, count_tools
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.refusals import Refusal
from p2m_spawner.gateway.servers import Status, state_of
from p2m_spawner.gateway.tokens import Mode
from p2m_spawner.hub_client import HubUser

CONNECT_DEADLINE = 30.0
"""Seconds that somebody who asks to be connected waits."""

POLL_INTERVAL = 0.2
"""Seconds between two looks at a status that is not ready."""


class Waiting:
    """What a connect call waits for.

    Attributes:
        reason: A sentence.
    """

    reason = "The hub has not answered yet."


@dataclass(frozen=True)
class Reached:
    """A Blender whose MCP server has listed its tools.

    Attributes:
        num_tools: How many.
        seconds: How long the list took, from the gateway to the MCP server and back.
    """

    num_tools: int
    seconds: float


async def existing_user(gateway: Gateway, name: str) -> HubUser:
    """A user as they are now.

    Raises:
        Refusal: 404.
    """
    user = await gateway.hub.user(name)
    if user is None:
        raise Refusal(404, "no_such_user", "There is no such user at this hub.")
    return user


async def reach(gateway: Gateway, name: str, waiting: Waiting, mode: Mode = Mode.FULL) -> Reached:
    """Start a user's server if it sleeps, and list its tools once Blender is ready. Has no deadline of its own.

    Args:
        gateway: Its parts.
        name: Of the user.
        waiting: Is told what is being waited for.
        mode: What whoever asks may do in Blender.

    Raises:
        StartFailed: The server cannot be started.
        Refusal: 404, there is no such user.
    """
    while True:
        user = await existing_user(gateway, name)
        if state_of(user.server) != "ready":
            async for step in gateway.servers.start(name).follow():
                waiting.reason = step.message
            user = await existing_user(gateway, name)
        status = await gateway.servers.status(user)
        waiting.reason = why_not_ready(status)
        url = await gateway.servers.url(user, urls.MCP)
        if status is not None and status["ready"] and url is not None:
            began = time.monotonic()
            try:
                tools = await count_tools(gateway.servers.http, url, mode)
                return Reached(tools, time.monotonic() - began)
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
