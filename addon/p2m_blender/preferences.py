# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on shows in Blender's preferences: there is nothing to set, only where settings come from."""

from __future__ import annotations

from typing import Any

import bpy


class P2mPreferences(bpy.types.AddonPreferences):
    """Where the add-on's settings are."""

    bl_idname = __package__

    def draw(self, context: Any) -> None:
        """Name the environment variables and the panel."""
        column = self.layout.column(align=True)
        column.label(text="Listens by itself; its state is in the 3D viewport's sidebar, tab MCP.")
        column.label(text="Address and port: environment P2M_BLENDER_TCP_HOST and P2M_BLENDER_TCP_PORT.")


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(P2mPreferences)


def unregister() -> None:
    """Unregister the preferences."""
    bpy.utils.unregister_class(P2mPreferences)
