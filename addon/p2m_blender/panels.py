# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab "MCP" of the 3D viewport."""

from __future__ import annotations

import time
from typing import Any

import bpy

from . import pump


class P2M_PT_server(bpy.types.Panel):
    """Where MCP clients reach this Blender."""

    bl_label = "MCP"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "MCP"

    def draw(self, context: Any) -> None:
        """Draw the server's state."""
        column = self.layout.column(align=True)
        state = pump.state()
        if state is None:
            column.label(text="Not running", icon="ERROR")
            return
        for address in filter(None, (state.tcp, state.unix)):
            column.label(text=f"Listening on {address}", icon="LINKED")
        if not (state.tcp or state.unix):
            column.label(text="Address taken, trying again", icon="ERROR")
        column.label(text=f"Clients connected: {state.clients}")
        if state.last_call_at is not None:
            at = time.strftime("%H:%M:%S", time.localtime(state.last_call_at))
            column.label(text=f"Last call: {state.last_call} at {at}")


def register() -> None:
    """Register the panel."""
    bpy.utils.register_class(P2M_PT_server)


def unregister() -> None:
    """Unregister the panel."""
    bpy.utils.unregister_class(P2M_PT_server)
