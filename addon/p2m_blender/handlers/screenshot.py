# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of the 3D viewport as the person has it: view, shading and overlays.

The viewport is drawn once more, off screen. Reading the window instead (``screen.screenshot_area``) gives black
pictures on software OpenGL, and otherwise what lies over the viewport and what was there before the last change.
"""

from __future__ import annotations

import base64
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import bpy
import gpu

from ..registry import CommandError, command

FORMATS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}
MAX_SIZES = (16, 8192)
"""Smallest and largest `max_size`, in pixels."""


@command("get_viewport_screenshot")
def get_viewport_screenshot(max_size: int = 800, filepath: str | None = None, format: str = "png") -> dict[str, Any]:
    """Take a picture of the largest 3D viewport.

    Args:
        max_size: Longest side in pixels; a viewport that is larger is drawn smaller.
        filepath: Where to write it; without one the picture is in the result.
        format: "png" or "jpg".

    Returns:
        ``success`` (true), ``width``, ``height`` (pixels) and either ``filepath`` or ``image_base64`` and
        ``mime_type``.

    Raises:
        CommandError: There is no window or no 3D viewport, a parameter is out of range, or the file cannot be written.
    """
    mime_type = FORMATS.get(format.lower())
    if mime_type is None:
        raise CommandError(f"get_viewport_screenshot: format must be one of {', '.join(FORMATS)}, got {format!r}")
    low, high = MAX_SIZES
    if not low <= max_size <= high:
        raise CommandError(f"get_viewport_screenshot: max_size must be {low} to {high}, got {max_size}")
    width, height, pixels = _draw(max_size)
    picture = _png(width, height, pixels)
    if mime_type == "image/jpeg":
        picture = _jpeg(picture)
    result: dict[str, Any] = {"success": True, "width": width, "height": height}
    if not filepath:
        return {**result, "mime_type": mime_type, "image_base64": base64.b64encode(picture).decode("ascii")}
    try:
        Path(filepath).write_bytes(picture)
    except OSError as error:
        raise CommandError(f"get_viewport_screenshot: cannot write the picture: {error}") from error
    return {**result, "filepath": filepath}


def _draw(max_size: int) -> tuple[int, int, bytes]:
    """Draw the viewport; return width, height and RGBA bytes, the lowest row first."""
    window, area, region = _largest_viewport()
    factor = min(1.0, max_size / max(region.width, region.height))
    width, height = max(1, int(region.width * factor)), max(1, int(region.height * factor))
    space = area.spaces.active
    view = space.region_3d
    with bpy.context.temp_override(window=window, area=area, region=region):
        target = gpu.types.GPUOffScreen(width, height)
        try:
            target.draw_view3d(
                window.scene,
                window.view_layer,
                space,
                region,
                view.view_matrix,
                view.window_matrix,
                do_color_management=True,
            )
            pixels = target.texture_color.read()
        finally:
            target.free()
    pixels.dimensions = 4 * width * height  # of a nested buffer, bytes() would take the first dimension only
    return width, height, bytes(pixels)


def _largest_viewport() -> tuple[Any, Any, Any]:
    windows = list(bpy.context.window_manager.windows)
    if bpy.app.background or not windows:  # `blender -b` has windows too, which nobody sees and nothing draws
        raise CommandError("get_viewport_screenshot: this Blender runs without a window")
    viewports = [(window, area) for window in windows for area in window.screen.areas if area.type == "VIEW_3D"]
    if not viewports:
        raise CommandError("get_viewport_screenshot: no 3D viewport is open; switch to a workspace that shows one")
    window, area = max(viewports, key=lambda pair: pair[1].width * pair[1].height)
    region = next(region for region in area.regions if region.type == "WINDOW")
    return window, area, region


def _png(width: int, height: int, pixels: bytes) -> bytes:
    """Encode RGBA pixels, the lowest row first, as an opaque PNG."""
    stride = 3 * width + 1  # each row begins with its filter: 0, none
    rows = bytearray(stride * height)
    for row in range(height):
        source = pixels[4 * width * (height - 1 - row) : 4 * width * (height - row)]
        start, end = row * stride + 1, (row + 1) * stride
        for channel in range(3):
            rows[start + channel : end : 3] = source[channel::4]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _jpeg(png: bytes) -> bytes:
    """Let Blender encode a PNG as JPEG."""
    with tempfile.TemporaryDirectory(prefix="p2m-screenshot-") as directory:
        path = Path(directory) / "viewport"
        path.write_bytes(png)
        image = bpy.data.images.load(str(path))
        try:
            image.file_format = "JPEG"
            image.save()
        finally:
            bpy.data.images.remove(image)
        return path.read_bytes()
