# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that is due again and again on the main thread, with a window and without.

With a window this is a timer of Blender's. ``blender -b`` never runs timers; there the serving loop calls `run_due`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import bpy

LOG = logging.getLogger("p2m_blender")

_timers: dict[Callable[[], object], Callable[[], float]] = {}
_due: dict[Callable[[], object], tuple[float, float]] = {}


def every(seconds: float, work: Callable[[], object]) -> None:
    """Call something again and again, until `stop`.

    Args:
        seconds: Pause between two calls.
        work: What to call. Whatever it raises is logged.
    """
    stop(work)
    if bpy.app.background:
        _due[work] = (time.monotonic() + seconds, seconds)
        return

    def tick() -> float:
        _call(work)
        return seconds

    _timers[work] = tick
    bpy.app.timers.register(tick, first_interval=seconds, persistent=True)


def stop(work: Callable[[], object]) -> None:
    """Call it no longer. Harmless when it never was."""
    _due.pop(work, None)
    tick = _timers.pop(work, None)
    if tick is not None and bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def run_due() -> None:
    """Call what is due now, in a Blender without a window."""
    now = time.monotonic()
    for work, (at, seconds) in list(_due.items()):
        if at <= now:
            _due[work] = (now + seconds, seconds)
            _call(work)


def _call(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        LOG.exception("periodic work failed")
