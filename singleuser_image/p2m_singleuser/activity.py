"""What counts as use of the server: requests that change something, renders, and work of Blender's own.

Jupyter's `last_activity`, which the single-user server reports to the hub and by which idle servers are culled, is the
newest of all settings whose names end in ``_last_activity``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from jupyter_server._tz import utcnow
from jupyter_server.base.handlers import APIHandler
from tornado.ioloop import PeriodicCallback

from p2m_singleuser.jobs import JobStore
from p2m_singleuser.link import BlenderLink, BlenderLinkError, BlenderTimeout

LOOK_S = 15.0
"""Seconds between two looks at whether anything works; less where the hub is told of use more often."""

LAYOUTS = "/lab/api/workspaces"
"""Part of the paths at which JupyterLab stores which tabs are open."""

ANSWER_S = 2.0
"""Seconds in which Blender says whether it is busy."""


def counts(handler: Any) -> bool:
    """Return whether a request to Jupyter's API is use of the server.

    A JupyterLab that is visible asks for kernels, terminals and files and stores its layout every ten seconds, whether
    somebody is there or not. Who is there changes something: a file, a kernel, a terminal.
    """
    return handler.request.method not in {"GET", "HEAD"} and LAYOUTS not in handler.request.path


def ignore_pages_left_open() -> None:
    """Let requests that JupyterLab makes by itself not count as use (see `counts`)."""
    APIHandler._track_activity = property(counts)  # type: ignore[assignment]


async def last_use(store: JobStore, link: BlenderLink) -> datetime | None:
    """Return when something last worked for the person although nobody asked this server for anything.

    That is now while a render job waits or runs, while Blender renders or bakes in its own window, and while it is busy
    with one long command or operation. Otherwise it is the latest command of a client at Blender's TCP socket, None
    when there was none.
    """
    if store.is_worked_on():
        return utcnow()
    try:
        status = await link.call("get_status", deadline_s=ANSWER_S, grace_s=0)
    except BlenderTimeout:
        return utcnow()  # one long call into C, which keeps even the answer from being given
    except BlenderLinkError:
        return None
    if status["state"] == "busy" or status.get("rendering"):
        return utcnow()
    command_at = status.get("tcp_command_at")
    return None if command_at is None else datetime.fromtimestamp(command_at, UTC)


def keep_alive_while_at_work(settings: dict[str, Any], store: JobStore, link: BlenderLink) -> PeriodicCallback:
    """Let work count as use of the server, so that nobody stops it as idle.

    Args:
        settings: The Jupyter server's.
        store: The render jobs.
        link: Blender.
    """

    async def look() -> None:
        if used := await last_use(store, link):
            settings["p2m_work_last_activity"] = max(used, settings.get("p2m_work_last_activity", used))

    told_every = float(os.environ.get("JUPYTERHUB_ACTIVITY_INTERVAL") or 0) or LOOK_S
    callback = PeriodicCallback(look, 1000 * min(LOOK_S, told_every))
    callback.start()
    return callback
