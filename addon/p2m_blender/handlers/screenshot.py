# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the scene: the 3D viewport as the person has it, other views, and several on one sheet."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Any

import bpy

from ..pictures import columns_of_sheet, contact_sheet, png
from ..registry import CommandError, command
from ..views import Shading, ViewName, picture_of

FORMATS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}
MAX_SIZES = (16, 8192)
"""Smallest and largest `max_size`, in pixels."""

LONGEST_SHEET = 9
"""Most pictures on a sheet."""


@command("get_viewport_screenshot")
def get_viewport_screenshot(
    max_size: int = 800,
    filepath: str | None = None,
    format: str = "png",
    view: ViewName = "user",
    shading: Shading | None = None,
    turn: float | None = None,
) -> dict[str, Any]:
    """Take a picture of the largest 3D viewport, or of the scene from another side; the person's view stays.

    Args:
        max_size: Longest side in pixels; a viewport that is larger is drawn smaller.
        filepath: Where to write it; without one the picture is in the result.
        format: "png" or "jpg".
        view: "user" as the person sees it; "camera" through the scene's; the others contain all visible objects.
        shading: Null as the person sees it.
        turn: Radians by which the viewer goes round the scene; see `picture_of`.

    Returns:
        ``success`` (true), ``width``, ``height`` (pixels), ``view`` (which was drawn) and either ``filepath`` or
        ``image_base64`` and ``mime_type``.

    Raises:
        CommandError: There is no 3D viewport or no camera, a parameter is out of range, or the file cannot be written.
    """
    mime_type = FORMATS.get(format.lower())
    if mime_type is None:
        raise CommandError(f"get_viewport_screenshot: format must be one of {', '.join(FORMATS)}, got {format!r}")
    _check_size("get_viewport_screenshot", max_size)
    drawn_view, drawn = picture_of(view, max_size, shading, turn)
    picture = png(drawn)
    if mime_type == "image/jpeg":
        picture = _jpeg(picture)
    result: dict[str, Any] = {"success": True, "width": drawn.width, "height": drawn.height, "view": drawn_view}
    if not filepath:
        return {**result, "mime_type": mime_type, "image_base64": base64.b64encode(picture).decode("ascii")}
    try:
        Path(filepath).write_bytes(picture)
    except OSError as error:
        raise CommandError(f"get_viewport_screenshot: cannot write the picture: {error}") from error
    return {**result, "filepath": filepath}


@command("look")
def look(views: list[ViewName], max_size: int = 1200, shading: Shading | None = None) -> dict[str, Any]:
    """Draw the scene from several sides on one sheet, each picture with its view's name.

    Args:
        views: Which, 1 to `LONGEST_SHEET`; they stand row by row.
        max_size: Longest side of the sheet in pixels, about.
        shading: Null as in `get_viewport_screenshot`.

    Returns:
        ``width``, ``height`` (pixels), ``views`` (those drawn), ``columns``, ``image_base64``, ``mime_type``.

    Raises:
        CommandError: As `get_viewport_screenshot`; or too many views or none.
    """
    if not 1 <= len(views) <= LONGEST_SHEET:
        raise CommandError(f"look: views must name 1 to {LONGEST_SHEET} views, got {len(views)}")
    _check_size("look", max_size)
    columns = columns_of_sheet(len(views))
    drawn = [picture_of(view, max(max_size // columns, MAX_SIZES[0]), shading) for view in views]
    sheet = contact_sheet(drawn)
    return {
        "width": sheet.width,
        "height": sheet.height,
        "views": [view for view, _ in drawn],
        "columns": columns,
        "mime_type": "image/png",
        "image_base64": base64.b64encode(png(sheet)).decode("ascii"),
    }


def _check_size(name: str, max_size: int) -> None:
    low, high = MAX_SIZES
    if not low <= max_size <= high:
        raise CommandError(f"{name}: max_size must be {low} to {high}, got {max_size}")


def _jpeg(png_bytes: bytes) -> bytes:
    """Let Blender encode a PNG as JPEG."""
    with tempfile.TemporaryDirectory(prefix="p2m-screenshot-") as directory:
        path = Path(directory) / "viewport"
        path.write_bytes(png_bytes)
        image = bpy.data.images.load(str(path))
        try:
            image.file_format = "JPEG"
            image.save()
        finally:
            bpy.data.images.remove(image)
        return path.read_bytes()
