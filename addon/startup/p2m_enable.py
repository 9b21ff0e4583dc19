# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender startup script: enables the p2m_blender extension, whatever the person's preferences say.

It lies in ``startup/`` of a directory that ``BLENDER_SYSTEM_SCRIPTS`` names, so Blender runs it at each start. The
extension is enabled for this session only; preferences are not written.

Afterwards it watches for the file ``enable-addon`` in ``P2M_RUNTIME_DIR``: whoever creates it (``p2m-enable-addon``)
has the extension enabled again, afresh.
"""

import logging
import os
from pathlib import Path

import addon_utils
import bpy

MODULE = "bl_ext.system.p2m_blender"
REQUEST = Path(os.environ.get("P2M_RUNTIME_DIR", "/run/p2m")) / "enable-addon"
WATCH_S = 0.5

LOG = logging.getLogger("p2m_enable")


def register() -> None:
    """Begin in the first turn of Blender's main loop: extensions cannot be loaded before."""
    if not bpy.app.background:
        bpy.app.timers.register(_start, first_interval=0.0, persistent=True)


def unregister() -> None:
    """Stop watching."""
    for timer in (_start, _watch):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)


def _start() -> None:
    bpy.app.timers.register(_watch, first_interval=WATCH_S, persistent=True)
    _enable()


def _watch() -> float:
    try:
        if REQUEST.exists():
            REQUEST.unlink()
            _enable()
    except Exception:
        LOG.exception("cannot enable the extension")
    return WATCH_S


def _enable() -> None:
    """Enable the extension; one that is enabled already is registered afresh."""
    _ensure_repository()
    for entry in list(bpy.context.preferences.addons):
        if entry.module.endswith(".p2m_blender") and entry.module != MODULE:
            addon_utils.disable(entry.module)  # a copy of the person's own would take the same addresses
    addon_utils.enable(MODULE, default_set=False, persistent=True)


def _ensure_repository() -> None:
    """Bring back the repository "System", which a person can remove or switch off in the preferences."""
    repositories = bpy.context.preferences.extensions.repos
    system = next((entry for entry in repositories if entry.module == "system"), None)
    if system is None:
        system = repositories.new(name="System", module="system", source="SYSTEM")
    if not system.enabled:
        system.enabled = True
