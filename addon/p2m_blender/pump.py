# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's main thread visits the server here: by a timer of its main loop or, without a window, in a loop of ours."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

import bpy

from . import (
    handlers,  # noqa: F401 - importing them fills the table
    interrupt,
    session,
    ticks,
)
from .access import access
from .mainthread import main_thread
from .registry import table
from .server import BlenderServer, ServerState, Settings

LOG = logging.getLogger("p2m_blender")

WATCH_S = 0.5
"""Seconds between two looks whether the add-on is still enabled, in a Blender without a window."""

GRACE_S = 2.0
"""Seconds the server stays after a command of its own disabled the add-on, as loading factory settings does."""

IDLE_S = 0.25
"""Longest time that a Blender without a window waits for a command before it does something else."""

LONG_JOBS = ("RENDER", "OBJECT_BAKE")
"""Blender's names of its background work that a person waits for."""

_server: BlenderServer | None = None
_headless = False
_ends_at: float | None = None


def register() -> None:
    """Start the server and its timer.

    A Blender without a window (``blender -b``) serves only in `serve_headless`: its timers never fire, and mostly it is
    a render or a script beside the Blender that has one, whose addresses it must not take.
    """
    global _server, _ends_at
    if bpy.app.background and not _headless:
        return
    if _server is not None:
        _ends_at = None
        return
    if not LOG.handlers:
        LOG.addHandler(logging.StreamHandler())
        LOG.setLevel(logging.INFO)
    _server = BlenderServer(table, main_thread, Settings.from_environment(os.environ), access)
    _server.start()
    try:
        interrupt.prepare()
    except ValueError as error:  # an application that embeds Blender's Python in another thread
        LOG.warning("system calls in a client's code cannot be interrupted: %s", error)
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)


def serve_headless(watch: Callable[[], object]) -> None:
    """Serve in a Blender without a window, until the process ends.

    Args:
        watch: Called about twice a second, to see that the add-on stays enabled.
    """
    global _headless
    _headless = True
    ticks.every(WATCH_S, watch)
    register()
    while True:
        _turn(wait_s=IDLE_S)
        ticks.run_due()


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
    _turn(wait_s=0.0)
    return None if _server is None else 0.0


def _turn(wait_s: float) -> None:
    try:
        session.begin()
        main_thread.file = bpy.data.filepath or None
        main_thread.rendering = any(bpy.app.is_job_running(kind) for kind in LONG_JOBS)
        session.visit(main_thread.run_pending(wait_s=wait_s))
        if _ends_at is not None and time.monotonic() > _ends_at:
            _end()
    except BaseException:
        LOG.exception("a visit of the main thread was cut short")


def _end() -> None:
    global _server, _ends_at
    _ends_at = None
    if _server is not None:
        _server.stop()
        _server = None
