# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's main loop visits the server here: the only module that owns a timer."""

from __future__ import annotations

import logging
import os
import time

import bpy

from . import (
    handlers,  # noqa: F401 - importing them fills the table
    session,
)
from .registry import table
from .server import BlenderServer, ServerState, Settings, main_thread

LOG = logging.getLogger("p2m_blender")

GRACE_S = 2.0
"""Seconds the server stays after a command of its own disabled the add-on, as loading factory settings does."""

_server: BlenderServer | None = None
_ends_at: float | None = None


def register() -> None:
    """Start the server and its timer.

    A Blender without a window (``blender -b``) serves nothing: its timers never fire, and it must not take the
    addresses of the Blender that has one.
    """
    global _server, _ends_at
    if bpy.app.background:
        return
    if _server is not None:
        _ends_at = None
        return
    if not LOG.handlers:
        LOG.addHandler(logging.StreamHandler())
        LOG.setLevel(logging.INFO)
    _server = BlenderServer(table, main_thread, Settings.from_environment(os.environ))
    _server.start()
    bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)


def unregister() -> None:
    """Stop the timer and the server; in the middle of a command, only after its client has had the reply."""
    global _ends_at
    if main_thread.in_command:
        _ends_at = time.monotonic() + GRACE_S
        return
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _end()


def state() -> ServerState | None:
    """Return the server's state, None when none runs."""
    return None if _server is None else _server.state


def _tick() -> float | None:
    """Run what clients asked for. 0.0 asks Blender to call again in its next turn, about every 5 ms."""
    try:
        session.begin()
        main_thread.file = bpy.data.filepath or None
        session.visit(main_thread.run_pending())
        if _ends_at is not None and time.monotonic() > _ends_at:
            _end()
            return None
    except BaseException:
        LOG.exception("a visit of the main thread was cut short")
    return 0.0


def _end() -> None:
    global _server, _ends_at
    _ends_at = None
    if _server is not None:
        _server.stop()
        _server = None
