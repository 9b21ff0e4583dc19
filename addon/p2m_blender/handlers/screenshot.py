# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of the 3D viewport as the person sees it."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Any

import bpy

from ..registry import CommandError, command

FORMATS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG"}
MAX_SIZES = (16, 8192)
"""Smallest and largest `max_size`, in pixels."""


@command("get_viewport_screenshot")
def get_viewport_screenshot(max_size: int = 800, filepath: str | None = None, format: str = "png") -> dict[str, Any]:
    """Take a picture of the largest 3D viewport.

    Args:
        max_size: Longest side in pixels; larger pictures are scaled down.
        filepath: Where to write it; without one the picture is in the result.
        format: "png" or "jpg".

    Returns:
        ``success`` (true), ``width``, ``height`` (pixels) and either ``filepath`` or ``image_base64`` and
        ``mime_type``.

    Raises:
        CommandError: There is no window or no 3D viewport, a parameter is out of range, or the file cannot be written.
    """
    kind = FORMATS.get(format.lower())
    if kind is None:
        raise CommandError(f"get_viewport_screenshot: format must be one of {', '.join(FORMATS)}, got {format!r}")
    low, high = MAX_SIZES
    if not low <= max_size <= high:
        raise CommandError(f"get_viewport_screenshot: max_size must be {low} to {high}, got {max_size}")
    if filepath:
        width, height = _take(Path(filepath), max_size, kind)
        return {"success": True, "width": width, "height": height, "filepath": filepath}
    with tempfile.TemporaryDirectory(prefix="p2m-screenshot-") as directory:
        picture = Path(directory) / f"viewport.{kind.lower()}"
        width, height = _take(picture, max_size, kind)
        data = picture.read_bytes()
    return {
        "success": True,
        "width": width,
        "height": height,
        "mime_type": f"image/{kind.lower()}",
        "image_base64": base64.b64encode(data).decode("ascii"),
    }


def _take(path: Path, max_size: int, kind: str) -> tuple[int, int]:
    """Write the picture; return its width and height in pixels."""
    window, area = _largest_viewport()
    try:
        with bpy.context.temp_override(window=window, area=area):
            # What the window shows may be older than the scene: draw it once more before reading it.
            bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
            bpy.ops.screen.screenshot_area(filepath=str(path), check_existing=False)
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise CommandError(f"get_viewport_screenshot: {str(error).strip()}") from error
    try:
        width, height = image.size
        factor = min(1.0, max_size / max(width, height))
        if factor < 1.0:
            width, height = max(1, int(width * factor)), max(1, int(height * factor))
            image.scale(width, height)
        if factor < 1.0 or kind != "PNG":
            image.file_format = kind
            image.save()
    except RuntimeError as error:
        raise CommandError(f"get_viewport_screenshot: {str(error).strip()}") from error
    finally:
        bpy.data.images.remove(image)
    return width, height


def _largest_viewport() -> tuple[Any, Any]:
    windows = list(bpy.context.window_manager.windows)
    if not windows:
        raise CommandError("get_viewport_screenshot: this Blender runs without a window")
    viewports = [(window, area) for window in windows for area in window.screen.areas if area.type == "VIEW_3D"]
    if not viewports:
        raise CommandError("get_viewport_screenshot: no 3D viewport is open; switch to a workspace that shows one")
    return max(viewports, key=lambda pair: pair[1].width * pair[1].height)
