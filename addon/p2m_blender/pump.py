# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's main loop visits the server here: the only module that owns a timer."""

from __future__ import annotations

import logging
import os

import bpy

from . import handlers  # noqa: F401 - importing them fills the table
from .registry import table
from .server import BlenderServer, ServerState, Settings, main_thread

LOG = logging.getLogger("p2m_blender")

_server: BlenderServer | None = None


def register() -> None:
    """Start the server and its timer.

    A Blender without a window (``blender -b``) serves nothing: its timers never fire, and it must not take the
    addresses of the Blender that has one.
    """
    global _server
    if bpy.app.background:
        return
    if not LOG.handlers:
        LOG.addHandler(logging.StreamHandler())
        LOG.setLevel(logging.INFO)
    _server = BlenderServer(table, main_thread, Settings.from_environment(os.environ))
    _server.start()
    bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)


def unregister() -> None:
    """Stop the timer and the server."""
    global _server
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _server is not None:
        _server.stop()
        _server = None


def state() -> ServerState | None:
    """Return the server's state, None when none runs."""
    return None if _server is None else _server.state


def _tick() -> float:
    """Run what clients asked for. 0.0 asks Blender to call again in its next turn, about every 5 ms."""
    try:
        main_thread.file = bpy.data.filepath or None
        main_thread.run_pending()
    except BaseException:
        LOG.exception("a visit of the main thread was cut short")
    return 0.0
