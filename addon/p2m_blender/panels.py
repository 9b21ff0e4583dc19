# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab "MCP" of the 3D viewport: the server's state, who is connected, the last calls, pause and resume.

Other modules hang panels of their own below `P2M_PT_server` with ``bl_parent_id = "P2M_PT_server"``.
"""

from __future__ import annotations

import time
from typing import Any

import bpy

from . import pump, ticks
from .access import access

REDRAW_S = 0.5
"""Seconds between two looks whether the panel shows what is true."""

_shown = ""


class P2M_OT_pause_agents(bpy.types.Operator):
    """Refuse everything from agents that would change something; they can still look"""

    bl_idname = "p2m.pause_agents"
    bl_label = "Pause Agents"

    def execute(self, context: Any) -> set[str]:
        """Pause."""
        access.pause()
        return {"FINISHED"}


class P2M_OT_resume_agents(bpy.types.Operator):
    """Let agents change things again"""

    bl_idname = "p2m.resume_agents"
    bl_label = "Resume"

    def execute(self, context: Any) -> set[str]:
        """Resume."""
        access.resume()
        return {"FINISHED"}


class P2M_PT_server(bpy.types.Panel):
    """Where MCP clients reach this Blender, and whether they may change it."""

    bl_label = "MCP"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "MCP"

    def draw(self, context: Any) -> None:
        """Draw the server's state and the button that pauses agents."""
        column = self.layout.column(align=True)
        state = pump.state()
        if state is None:
            column.label(text="Not running", icon="ERROR")
            return
        for address in filter(None, (state.tcp, state.unix)):
            column.label(text=f"Listening on {address}", icon="LINKED")
        if not (state.tcp or state.unix):
            column.label(text="Address taken, trying again", icon="ERROR")
        if access.mode != "full":
            column.label(text=f"Mode: {access.mode}", icon="LOCKED")
        column.separator()
        if access.paused:
            column.label(text="Agents are paused", icon="PAUSE")
            column.operator(P2M_OT_resume_agents.bl_idname, icon="PLAY")
        else:
            column.operator(P2M_OT_pause_agents.bl_idname, icon="PAUSE")


class P2M_PT_clients(bpy.types.Panel):
    """Who is connected, and what they asked for last."""

    bl_label = "Clients and calls"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "MCP"
    bl_parent_id = "P2M_PT_server"

    def draw(self, context: Any) -> None:
        """Draw a line for each client and each of the last calls."""
        column = self.layout.column(align=True)
        state = pump.state()
        if state is None:
            return
        for name in state.names:
            column.label(text=name, icon="USER")
        if not state.names:
            column.label(text="Nobody in the last ten minutes")
        column.separator()
        for call in state.calls:
            at = time.strftime("%H:%M:%S", time.localtime(call.at))
            took = "…" if call.seconds is None else f"{call.seconds:.2f} s"
            icon = {None: "TIME", "done": "CHECKMARK"}.get(call.outcome, "ERROR")
            outcome = "" if call.outcome in (None, "done") else f"  {call.outcome}"
            column.label(text=f"{at}  {call.name}  {took}{outcome}", icon=icon)


_CLASSES = (P2M_OT_pause_agents, P2M_OT_resume_agents, P2M_PT_server, P2M_PT_clients)


def register() -> None:
    """Register operators and panels, and keep what they show true."""
    for entry in _CLASSES:
        bpy.utils.register_class(entry)
    ticks.every(REDRAW_S, _redraw)


def unregister() -> None:
    """Take them back."""
    ticks.stop(_redraw)
    for entry in reversed(_CLASSES):
        bpy.utils.unregister_class(entry)


def _redraw() -> None:
    """Ask Blender to draw sidebars that are open anew, if what they show has changed."""
    global _shown
    state = repr((pump.state(), access.paused))
    if state == _shown:
        return
    _shown = state
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI" and region.width > 1:
                        region.tag_redraw()
