# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender startup script: keeps the p2m_blender extension enabled, whatever the person's preferences say.

It lies in ``startup/`` of a directory that ``BLENDER_SYSTEM_SCRIPTS`` names, so Blender runs it at each start. The
extension is enabled for the session only; preferences are not written. What disables it later (loading factory settings
does) is undone within `WATCH_S`.

``blender -b --python serve_headless.py`` (beside this directory) calls `serve_headless` for a Blender without a window.

A Blender in which the extension has never been enabled and cannot be is of no use: it ends with exit code 1 and the
error as its last line, so that the image's supervisor starts it again, and gives up after a few times.

Whoever creates the file ``enable-addon`` in ``P2M_RUNTIME_DIR`` (``p2m-enable-addon`` does) has the extension's files
read again and the extension enabled afresh.
"""

import os
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

import addon_utils
import bpy

MODULE = "bl_ext.system.p2m_blender"
REQUEST = Path(os.environ.get("P2M_RUNTIME_DIR", "/run/p2m")) / "enable-addon"
WATCH_S = 0.5
RETRY_S = 30.0
"""Seconds to the next attempt after one that failed; a request is heard at once."""

_next_try = 0.0
_was_enabled = False


def register() -> None:
    """Begin in the first turn of Blender's main loop: extensions cannot be loaded before."""
    if not bpy.app.background:
        bpy.app.timers.register(_watch, first_interval=0.0, persistent=True)


def unregister() -> None:
    """Stop watching."""
    if bpy.app.timers.is_registered(_watch):
        bpy.app.timers.unregister(_watch)


def serve_headless() -> None:
    """Enable the extension in a Blender without a window and serve until the process ends."""
    _watch()
    if not _enabled():
        raise SystemExit(1)
    import_module(f"{MODULE}.pump").serve_headless(_watch)


def _watch() -> float:
    global _next_try, _was_enabled
    try:
        if REQUEST.exists():
            REQUEST.unlink()
            _forget()
            _next_try = 0.0
        if not _enabled() and time.monotonic() >= _next_try:
            _next_try = time.monotonic() + RETRY_S
            _enable()
            if _enabled():
                _next_try = 0.0
    except Exception as error:  # noqa: BLE001 - a boundary: Blender would end the timer
        _explain(error)
    _was_enabled = _was_enabled or _enabled()
    if not _was_enabled and not bpy.app.background:
        sys.stderr.flush()
        os._exit(1)
    return WATCH_S


def _explain(error: Exception) -> None:
    """Print why the extension cannot be enabled, the sentence last: the supervisor takes it as the reason."""
    traceback.print_exception(error)
    print(f"The extension cannot be enabled: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _enabled() -> bool:
    return bool(getattr(sys.modules.get(MODULE), "__addon_enabled__", False))


def _forget() -> None:
    """End the extension and drop its modules, so that the next import reads the files again."""
    if _enabled():
        addon_utils.disable(MODULE)
    for name in [name for name in sys.modules if name == MODULE or name.startswith(f"{MODULE}.")]:
        del sys.modules[name]


def _enable() -> None:
    _ensure_repository()
    for entry in list(bpy.context.preferences.addons):
        if entry.module.endswith(".p2m_blender") and entry.module != MODULE:
            addon_utils.disable(entry.module)  # a copy of the person's own would take the same addresses
    addon_utils.enable(MODULE, default_set=False, persistent=True, handle_error=_explain)


def _ensure_repository() -> None:
    """Bring back the repository "System", which a person can remove or switch off in the preferences."""
    repositories = bpy.context.preferences.extensions.repos
    system = next((entry for entry in repositories if entry.module == "system"), None)
    if system is None:
        system = repositories.new(name="System", module="system", source="SYSTEM")
    if not system.enabled:
        system.enabled = True
