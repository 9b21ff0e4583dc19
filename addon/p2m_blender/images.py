# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files of the user's home as Blender's images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .paths import file_to_read, shown
from .registry import CommandError

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".tga", ".bmp", ".webp", ".jp2", ".exr", ".hdr"})
"""Endings of files that Blender reads as a texture."""

PANORAMAS = frozenset({".hdr", ".exr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
"""Endings of files that may surround the scene."""


def load_image(path: str, suffixes: frozenset[str], *, is_data: bool = False) -> Any:
    """Return an image of the home; one that is loaded already is read again from its file.

    Args:
        path: The file, as `paths.inside_home` takes it.
        suffixes: Endings it may have.
        is_data: Whether its pixels are numbers, such as roughness or normals, and no colours.

    Raises:
        CommandError: There is no such file in the home, or Blender cannot read it as an image.
    """
    found = file_to_read(path, suffixes)
    image = next((known for known in bpy.data.images if _shows(known, found, is_data)), None)
    known = image is not None
    try:
        if image is None:
            image = bpy.data.images.load(str(found))
        else:
            image.reload()
    except RuntimeError as error:
        raise CommandError(f"Blender cannot read {shown(found)!r}: {error}") from error
    if not all(image.size):
        if not known:
            bpy.data.images.remove(image)
        raise CommandError(f"Blender cannot read {shown(found)!r} as an image; is the file whole?")
    if not known:
        image.colorspace_settings.is_data = is_data
    return image


def _shows(image: Any, file: Path, is_data: bool) -> bool:
    """Return whether an image is of a file, and is read as numbers or as colours alike."""
    if image.source != "FILE" or image.library is not None or image.colorspace_settings.is_data != is_data:
        return False
    return Path(image.filepath_from_user()).resolve() == file
