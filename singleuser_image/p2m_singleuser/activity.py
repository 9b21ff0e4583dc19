"""What counts as use of the server: requests that change something, renders, and work of Blender's own.

Jupyter's `last_activity`, which the single-user server reports to the hub and by which idle servers are culled, is the
newest of all settings whose names end in ``_last_activity``.
"""

from __future__ import annotations

from typing import Any

from jupyter_server._tz import utcnow
from jupyter_server.base.handlers import APIHandler
from tornado.ioloop import PeriodicCallback

from p2m_singleuser.jobs import JobStore
from p2m_singleuser.link import BlenderLink, BlenderLinkError, BlenderTimeout

LOOK_MS = 15_000.0
"""Milliseconds between two looks at whether anything works."""

ANSWER_S = 2.0
"""Seconds in which Blender says whether it is busy."""


def ignore_looks() -> None:
    """Let API requests that only look not count as use.

    A JupyterLab that is visible asks for kernels, terminals and files every ten seconds, whether somebody is there or
    not. Who is there changes something: a file, a kernel, the layout of the page, which JupyterLab keeps on the server.
    """
    APIHandler._track_activity = property(lambda handler: handler.request.method not in {"GET", "HEAD"})


async def is_at_work(store: JobStore, link: BlenderLink) -> bool:
    """Return whether something works for the person although nobody asks the server for anything.

    That is a render job that waits or runs, a render or bake in Blender's own window, and a Blender that is busy with
    one long command or operation.
    """
    if store.is_worked_on():
        return True
    try:
        status = await link.call("get_status", deadline_s=ANSWER_S, grace_s=0)
    except BlenderTimeout:
        return True  # one long call into C, which keeps even the answer from being given
    except BlenderLinkError:
        return False
    return status["state"] == "busy" or bool(status.get("rendering"))


def keep_alive_while_at_work(settings: dict[str, Any], store: JobStore, link: BlenderLink) -> PeriodicCallback:
    """Let work count as use of the server, so that nobody stops it as idle.

    Args:
        settings: The Jupyter server's.
        store: The render jobs.
        link: Blender.
    """

    async def look() -> None:
        if await is_at_work(store, link):
            settings["p2m_work_last_activity"] = utcnow()

    callback = PeriodicCallback(look, LOOK_MS)
    callback.start()
    return callback
