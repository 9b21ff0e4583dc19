"""Servers: one's own, everybody's, and those that nobody uses."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from p2m_spawner import urls
from p2m_spawner.gateway.mcp_probe import NoTools, count_tools
from p2m_spawner.gateway.reach import existing_user
from p2m_spawner.gateway.rest.calls import Asked, Result
from p2m_spawner.gateway.rest.models import AdminSession, Blender, CleanedUp, Job, Mcp, Session, Sessions
from p2m_spawner.gateway.servers import Status, state_of
from p2m_spawner.gateway.tokens import Mode
from p2m_spawner.hub_client import HubUser

log = logging.getLogger(__name__)

ASKED_AT_ONCE = 20
"""Servers asked for their status at the same time."""


async def session(asked: Asked) -> Result:
    """Tell how the caller's server is; does not start it."""
    servers, mode = asked.gateway.servers, asked.caller.mode
    user = await existing_user(asked.gateway, asked.caller.name)
    fields = await _session(asked, user, await servers.status(user))
    if fields["mcp"].state == "ready" and mode is not Mode.FULL and (url := await servers.url(user, urls.MCP)):
        with contextlib.suppress(NoTools):  # then as many as the server has for anybody
            fields["mcp"].num_tools = await count_tools(servers.http, url, mode)
    return 200, Session.model_validate(fields)


async def _session(asked: Asked, user: HubUser, status: Status | None) -> dict[str, Any]:
    """The fields of a session."""
    place = await asked.gateway.servers.place(user)
    server = user.server
    state = state_of(server)
    return {
        "active": state == "ready",
        "user_id": user.name,
        "username": user.name,
        "server": state,
        "mcp_port": place.mcp_port,
        "blender_ui_port": place.ui_port,
        "ui_url": asked.gateway.addresses.desktop(asked.request, user.name),
        "mcp_url": asked.gateway.addresses.mcp(asked.request),
        "created_at": server.started if server else None,
        "last_activity": server.last_activity if server else None,
        "mcp": Mcp.model_validate(status["mcp"] if status else {"state": "down", "num_tools": 0}),
    }


async def admin_sessions(asked: Asked) -> Result:
    """List the servers of all users."""
    users = sorted(await asked.gateway.hub.active_users(), key=lambda user: user.name)
    shown = users[asked.query.offset :][: asked.query.limit]
    gate = asyncio.Semaphore(ASKED_AT_ONCE)

    async def look(user: HubUser) -> AdminSession:
        async with gate:
            status = await asked.gateway.servers.status(user)
            fields = await _session(asked, user, status)
        blender = Blender.model_validate(status["blender"]) if status else None
        jobs = [Job.model_validate(job) for job in status["jobs"]] if status else []
        return AdminSession.model_validate({**fields, "blender": blender, "jobs": jobs})

    return 200, Sessions(sessions=list(await asyncio.gather(*map(look, shown))), total=len(users))


async def clean_up(asked: Asked) -> Result:
    """Stop servers that nobody has used for some minutes, unless Blender works or renders in them."""
    servers = asked.gateway.servers
    unused_since = datetime.now(UTC) - timedelta(minutes=asked.query.idle_minutes)
    gate = asyncio.Semaphore(ASKED_AT_ONCE)
    done = CleanedUp(stopped=[], kept={})

    async def look(user: HubUser) -> None:
        async with gate:
            known = user.server.last_activity if user.server else None
            used = await servers.last_activity(user) or known
            if used is None or used > unused_since:
                return
            if reason := why_keep(await servers.status(user)):
                done.kept[user.name] = reason
                return
            await servers.stop(user)
            done.stopped.append(user.name)
            log.info("%s stops the server of %s, unused since %s", asked.caller.name, user.name, used)

    users = await asked.gateway.hub.active_users()
    await asyncio.gather(*(look(user) for user in users if state_of(user.server) == "ready"))
    return 200, CleanedUp(stopped=sorted(done.stopped), kept=dict(sorted(done.kept.items())))


def why_keep(status: Status | None) -> str | None:
    """Why a server that nobody has used must not be stopped, None when it may be.

    Args:
        status: Its status document, None when it does not answer.
    """
    if status is None:
        return "It does not tell its status."
    if jobs := len(status["jobs"]):
        return f"{jobs} render{'s' if jobs > 1 else ''} going on."
    if status["blender"]["state"] == "busy":
        return "Blender is busy."
    return None
