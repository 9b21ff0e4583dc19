# SPDX-License-Identifier: GPL-3.0-or-later
"""The latest checkpoints in the sidebar tab "MCP", each with a button that brings it back, and the session's state."""

from __future__ import annotations

import time
from typing import Any

import bpy

from . import scene_history, session
from .scene_file import SceneFileError

SHOWN = 10
"""How many checkpoints the panel shows."""


class P2M_OT_restore_checkpoint(bpy.types.Operator):
    """Go back to this state of the scene. The one of now becomes a checkpoint too"""

    bl_idname = "p2m.restore_checkpoint"
    bl_label = "Restore Checkpoint"

    checkpoint: bpy.props.IntProperty(name="Checkpoint", options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    def execute(self, context: Any) -> set[str]:
        """Restore it."""
        try:
            scene_history.restore(self.checkpoint)
        except scene_history.NoSuchCheckpoint:
            self.report({"ERROR"}, "This checkpoint is gone")
            return {"CANCELLED"}
        except SceneFileError as error:
            self.report({"ERROR"}, f"The checkpoint cannot be restored: {error}")
            return {"CANCELLED"}
        return {"FINISHED"}


class P2M_PT_checkpoints(bpy.types.Panel):
    """What has been kept, and the way back."""

    bl_label = "Checkpoints"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "MCP"
    bl_parent_id = "P2M_PT_server"

    def draw(self, context: Any) -> None:
        """Draw the session's state and a line for each of the latest checkpoints."""
        column = self.layout.column(align=True)
        state = session.state()
        if state.notice:
            column.label(text=state.notice, icon="INFO")
        if state.reason:
            column.label(text=state.reason, icon="ERROR")
        elif state.saved_at is not None:
            at = time.strftime("%H:%M:%S", time.localtime(state.saved_at))
            column.label(text=f"Saved by itself at {at}", icon="CHECKMARK")
        column.separator()
        for entry in scene_history.ring().entries()[:SHOWN]:
            at = time.strftime("%H:%M:%S", time.localtime(entry.created_at))
            row = column.row(align=True)
            row.label(text=f"{at}  {entry.label}")
            row.operator(P2M_OT_restore_checkpoint.bl_idname, text="", icon="LOOP_BACK").checkpoint = entry.id


_CLASSES = (P2M_OT_restore_checkpoint, P2M_PT_checkpoints)


def register() -> None:
    """Register the button and the panel."""
    for entry in _CLASSES:
        bpy.utils.register_class(entry)


def unregister() -> None:
    """Unregister them."""
    for entry in reversed(_CLASSES):
        bpy.utils.unregister_class(entry)
