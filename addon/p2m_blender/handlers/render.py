# SPDX-License-Identifier: GPL-3.0-or-later
"""What a render in a process of its own needs: a copy of the scene in a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy

from ..registry import CommandError, command

JOBS = Path.home().resolve() / ".p2m" / "jobs"
"""Where render jobs have their files."""


@command("save_render_copy")
def save_render_copy(filepath: str) -> dict[str, Any]:
    """Write the open file, as it is now, to a new file that the person's Blender does not become.

    Paths of textures and libraries are written so that they still hold from there. The file's name, its saved state
    and the person's preferences stay as they are.

    Args:
        filepath: Absolute; ends in ``.blend``; below ``~/.p2m/jobs``; must not exist, in a directory that does.

    Returns:
        ``filepath``, ``bytes``, ``duration_s``, and of the current scene ``scene`` (name), ``has_camera``,
        ``frame_current``, ``frame_start``, ``frame_end``, ``frame_step``, ``resolution`` (width and height in pixels,
        with the scene's percentage), ``engine`` (Blender's identifier) and ``file`` (path of the open file or null).

    Raises:
        CommandError: The path will not do, or Blender cannot write there.
    """
    path = Path(filepath)
    if not path.is_absolute() or path.suffix != ".blend":
        raise CommandError(f"save_render_copy: filepath must be absolute and end in .blend, got {filepath!r}")
    if JOBS not in path.resolve().parents:  # looking at a scene is no licence to write anywhere
        raise CommandError(f"save_render_copy: filepath must be below {JOBS}, got {filepath!r}")
    if path.exists():
        raise CommandError(f"save_render_copy: {filepath} exists already")
    started = time.monotonic()
    preferences = bpy.context.preferences.filepaths
    preview = preferences.file_preview_type
    dirty = bpy.context.preferences.is_dirty
    try:
        preferences.file_preview_type = "NONE"  # drawing the file's thumbnail would take a second
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, compress=False, relative_remap=True)
    except RuntimeError as error:
        raise CommandError(f"save_render_copy: Blender could not write {filepath}: {error}") from None
    finally:
        preferences.file_preview_type = preview
        bpy.context.preferences.is_dirty = dirty
    scene = bpy.context.scene
    share = scene.render.resolution_percentage / 100
    return {
        "filepath": str(path),
        "bytes": path.stat().st_size,
        "duration_s": float(f"{time.monotonic() - started:.3g}"),
        "scene": scene.name,
        "has_camera": scene.camera is not None,
        "frame_current": scene.frame_current,
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "frame_step": scene.frame_step,
        "resolution": [max(1, int(side * share)) for side in (scene.render.resolution_x, scene.render.resolution_y)],
        "engine": scene.render.engine,
        "file": bpy.data.filepath or None,
    }
