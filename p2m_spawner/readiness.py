"""Waits until a server's status says that Blender is ready, and says meanwhile what is waited for.

Knows the status document (docs/architecture.md), HTTP and a clock; knows no spawner and no engine.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from .errors import NotReadyInTime, ServerDied, server_died

POLL_INTERVAL = 0.1
"""Least seconds between two looks at the status. The hub's own back-off costs up to 3.4 s, this costs 0.05."""

PAUSE_PER_ANSWER = 2.0
"""How many times as long as the last look took the next one waits at least: where many start at once, a look takes
long, and looking at all of them ten times a second would cost a good part of what they need to start."""

LONGEST_PAUSE = 1.0
"""Most seconds between two looks at the status."""

ALIVE_INTERVAL = 1.0
"""Seconds between two looks whether the server still runs at all."""

Status = dict[str, Any]

Stage = Literal["image", "queue", "container", "display", "blender", "mcp"]
"""What a start goes through, in this order; ``queue`` only where many start at the same time."""


async def fetch_status(url: str, token: str) -> Status | None:
    """Ask a single-user server for its status document.

    Args:
        url: Absolute URL of ``/user/NAME/p2m/status``.
        token: A hub token that may access this server.

    Returns:
        The document, or None while the server does not answer (yet) or does not know the page.
    """
    request = HTTPRequest(
        url,
        headers={"Authorization": f"token {token}"},
        follow_redirects=False,
        connect_timeout=2,
        request_timeout=5,
    )
    try:
        response = await AsyncHTTPClient().fetch(request)
        status = json.loads(response.body)
    except (HTTPClientError, OSError, ValueError):
        return None
    return status if isinstance(status, dict) else None


def describe(status: Status | None) -> tuple[Stage, str]:
    """Say what a server that is not ready is waiting for.

    Args:
        status: The status document, or None while nothing answers.

    Returns:
        The stage, and one sentence for the spawn page.
    """
    if status is None:
        return "display", "Starting JupyterLab and Blender …"
    blender = status["blender"]
    if blender["state"] == "restarting":
        return "blender", f"Blender ended and is being started again (restart {blender['restarts']}) …"
    if status["ui"]["state"] == "down":  # and not "off": a Blender without a window has none
        return "display", "Starting the display …"
    if blender["state"] not in ("ready", "busy"):
        return "blender", "Starting Blender …"
    return "mcp", "Blender answers; starting its MCP server …"


def _why_not(status: Status | None) -> str:
    """The reason inside a status document, as the tail of a sentence; empty when it gives none."""
    reason = status and status["blender"].get("reason")
    return f": {reason}" if reason else ""


async def wait_until_ready(
    fetch: Callable[[], Awaitable[Status | None]],
    is_alive: Callable[[], Awaitable[bool]],
    on_change: Callable[[Stage, str], None],
    deadline: float,
    clock: Callable[[], float] = time.monotonic,
) -> Status:
    """Wait until the status says ``ready``.

    Args:
        fetch: Reads the status document; None while nothing answers.
        is_alive: Whether the server (its container, its pod) still runs.
        on_change: Called with stage and sentence each time that something else is waited for.
        deadline: Seconds to wait in all.
        clock: Seconds that only grow; another one in tests.

    Returns:
        The status document that said ready.

    Raises:
        ServerDied: The server ended, or it has given Blender up.
        NotReadyInTime: The deadline passed.
    """
    end = clock() + deadline
    next_alive = clock()
    told = None
    while True:
        asked = clock()
        status = await fetch()
        took = clock() - asked
        if status and status["ready"]:
            return status
        if status and status["blender"]["state"] == "failed":
            raise ServerDied(
                f"Blender did not start{_why_not(status)}. Start the server again; if it happens again, "
                "tell the administrator.",
                reason="blender_failed",
                log_message=f"Blender was given up inside the server{_why_not(status)}",
            )
        if (waiting_for := describe(status)) != told:
            on_change(*waiting_for)
            told = waiting_for
        now = clock()
        if now >= end:
            raise NotReadyInTime(
                f"Blender was not ready after {deadline:g} seconds{_why_not(status)}. Start the server again; "
                "if it happens again, tell the administrator.",
                reason="blender_timeout",
                log_message=f"Not ready after {deadline:g} s; last status: {json.dumps(status)}",
            )
        if now >= next_alive:
            if not await is_alive():
                raise server_died()
            next_alive = now + ALIVE_INTERVAL
        await asyncio.sleep(min(max(POLL_INTERVAL, PAUSE_PER_ANSWER * took), LONGEST_PAUSE))
