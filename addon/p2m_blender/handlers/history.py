# SPDX-License-Identifier: GPL-3.0-or-later
"""Back and forth: Blender's undo history, and checkpoints on disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import bpy

from .. import scene_history, session
from ..checkpoints import Checkpoint
from ..registry import CommandError, command
from ..scene_file import SceneFileError

MOST_STEPS = 100
"""Most steps of one `undo` or `redo`."""

LONGEST_LABEL = 100
"""Longest label of a checkpoint, in characters."""


@command("undo", kind="edit", undo_step=False)
def undo(steps: int = 1) -> dict[str, Any]:
    """Take back the last steps of the person or of agents.

    Args:
        steps: How many at most, 1 to `MOST_STEPS`.

    Returns:
        ``steps``: how many were taken back; fewer when the history has no more.

    Raises:
        CommandError: There is no window, nothing to undo, or the number is out of range.
    """
    return _walk("undo", steps, bpy.ops.ed.undo)


@command("redo", kind="edit", undo_step=False)
def redo(steps: int = 1) -> dict[str, Any]:
    """Do again what was taken back last.

    Args:
        steps: How many steps at most, 1 to `MOST_STEPS`.

    Returns:
        ``steps``: how many were done again; fewer when the history has no more.

    Raises:
        CommandError: There is no window, nothing to redo, or the number is out of range.
    """
    return _walk("redo", steps, bpy.ops.ed.redo)


@command("create_checkpoint")
def create_checkpoint(label: str = "checkpoint") -> dict[str, Any]:
    """Keep the scene as it is now.

    Args:
        label: What people read in the list, 1 to `LONGEST_LABEL` characters.

    Returns:
        The checkpoint, as `list_checkpoints` has it.

    Raises:
        CommandError: It cannot be written, or the label is empty or too long.
    """
    if not 1 <= len(label.strip()) <= LONGEST_LABEL:
        raise CommandError(f"create_checkpoint: label must have 1 to {LONGEST_LABEL} characters")
    try:
        made = scene_history.create(label.strip())
    except SceneFileError as error:
        raise CommandError(f"create_checkpoint: the checkpoint cannot be written: {error}") from error
    scene_history.tidy()
    return _describe(made)


@command("list_checkpoints")
def list_checkpoints(limit: int = 50) -> dict[str, Any]:
    """Return the checkpoints, the newest first.

    Args:
        limit: Most to return, 1 to 50.

    Returns:
        ``checkpoints``: each ``id``, ``label``, ``created_at`` (ISO 8601, UTC), ``size_bytes``, ``file`` (path of the
        file that was open, null if none); ``count``: how many there are.

    Raises:
        CommandError: The number is out of range.
    """
    if not 1 <= limit <= 50:
        raise CommandError(f"list_checkpoints: limit must be 1 to 50, got {limit}")
    entries = scene_history.ring().entries()
    return {"checkpoints": [_describe(entry) for entry in entries[:limit]], "count": len(entries)}


@command("restore_checkpoint", kind="edit", undo_step=False)
def restore_checkpoint(id: int) -> dict[str, Any]:
    """Open a checkpoint in place of the scene. What was there before is a checkpoint too.

    Args:
        id: Its number.

    Returns:
        ``restored`` (the checkpoint), ``before_id`` (number of the checkpoint of what was there before),
        ``file`` (path of the open file now, null if none).

    Raises:
        CommandError: There is none of this number, or a file cannot be written or read; the scene is as it was.
    """
    try:
        restored, before = scene_history.restore(id)
    except scene_history.NoSuchCheckpoint:
        raise CommandError(f"There is no checkpoint {id}; list_checkpoints tells which there are") from None
    except SceneFileError as error:
        raise CommandError(f"restore_checkpoint: checkpoint {id} cannot be restored: {error}") from error
    return {"restored": _describe(restored), "before_id": before.id, "file": bpy.data.filepath or None}


@command("save_session")
def save_session() -> dict[str, Any]:
    """Bring the session up to date on disk now, for instance before Blender is restarted.

    Returns:
        The session's facts, as in `get_status`.

    Raises:
        CommandError: It cannot be saved, or this Blender keeps no session.
    """
    state = session.save_now()
    if state.state == "failed":
        raise CommandError(state.reason or "The session could not be saved")
    if state.state == "off":
        raise CommandError("This Blender keeps no session; save the file with bpy.ops.wm.save_mainfile")
    return state.facts()


def _walk(what: str, steps: int, operator: Callable[[], set[str]]) -> dict[str, Any]:
    if bpy.app.background:
        raise CommandError(f"A Blender without a window has no history to {what}; use restore_checkpoint")
    if not 1 <= steps <= MOST_STEPS:
        raise CommandError(f"{what}: steps must be 1 to {MOST_STEPS}, got {steps}")
    done = 0
    while done < steps and operator.poll() and "FINISHED" in operator():  # type: ignore[attr-defined]
        done += 1
    if not done:
        raise CommandError(f"There is nothing to {what}; list_checkpoints shows older states")
    return {"steps": done}


def _describe(checkpoint: Checkpoint) -> dict[str, Any]:
    created_at = datetime.fromtimestamp(checkpoint.created_at, UTC).isoformat(timespec="milliseconds")
    return {
        "id": checkpoint.id,
        "label": checkpoint.label,
        "created_at": created_at,
        "size_bytes": checkpoint.size_bytes,
        "file": checkpoint.file,
    }
