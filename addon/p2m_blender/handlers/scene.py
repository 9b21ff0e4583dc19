# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the scene."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import bpy
from mathutils import Vector

from ..registry import CommandError, command

LONGEST_PAGE = 1000
"""Most objects in one answer."""


@command("get_scene_info")
def get_scene_info(limit: int = 50, offset: int = 0) -> dict[str, Any]:
    """Return the current scene's objects, a page at a time.

    Args:
        limit: Most objects to return, 0 to `LONGEST_PAGE`.
        offset: How many objects to skip.

    Returns:
        ``name``, ``object_count``, ``objects`` (each ``name``, ``type``, ``location`` in Blender units),
        ``materials_count``, ``offset``, ``next_offset`` (null on the last page).

    Raises:
        CommandError: A number is out of range.
    """
    if not 0 <= limit <= LONGEST_PAGE:
        raise CommandError(f"get_scene_info: limit must be 0 to {LONGEST_PAGE}, got {limit}")
    if offset < 0:
        raise CommandError(f"get_scene_info: offset must not be negative, got {offset}")
    scene = bpy.context.scene
    total = len(scene.objects)
    page = itertools.islice(scene.objects, offset, offset + limit)
    objects = [{"name": item.name, "type": item.type, "location": _numbers(item.location)} for item in page]
    end = offset + len(objects)
    return {
        "name": scene.name,
        "object_count": total,
        "objects": objects,
        "materials_count": len(bpy.data.materials),
        "offset": offset,
        "next_offset": end if end < total else None,
    }


@command("get_object_info")
def get_object_info(name: str) -> dict[str, Any]:
    """Return one object's placement, materials and size.

    Args:
        name: The object's name.

    Returns:
        ``name``, ``type``, ``location`` (Blender units), ``rotation`` (Euler angles in radians), ``scale``,
        ``visible``, ``materials`` (names); for meshes also ``mesh`` (``vertices``, ``edges``, ``polygons``) and
        ``world_bounding_box`` (lowest and highest corner, Blender units).

    Raises:
        CommandError: There is no object of this name.
    """
    item = bpy.data.objects.get(name)
    if item is None:
        raise CommandError(f"Object not found: {name}")
    bpy.context.view_layer.update()  # a change in the same turn of Blender's loop has not moved matrices yet
    info: dict[str, Any] = {
        "name": item.name,
        "type": item.type,
        "location": _numbers(item.location),
        "rotation": _numbers(_euler_of(item)),
        "scale": _numbers(item.scale),
        "visible": item.visible_get(),
        "materials": [slot.material.name for slot in item.material_slots if slot.material],
    }
    if item.type == "MESH":
        mesh = item.data
        info["mesh"] = {"vertices": len(mesh.vertices), "edges": len(mesh.edges), "polygons": len(mesh.polygons)}
        corners = [item.matrix_world @ Vector(corner) for corner in item.bound_box]
        info["world_bounding_box"] = [_numbers(map(pick, zip(*corners, strict=True))) for pick in (min, max)]
    return info


def _euler_of(item: Any) -> Any:
    if item.rotation_mode == "QUATERNION":
        return item.rotation_quaternion.to_euler()
    if item.rotation_mode == "AXIS_ANGLE":
        return item.matrix_basis.to_euler()
    return item.rotation_euler


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Return numbers with the six digits a 32-bit float means; None for what is not finite."""
    return [float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None for value in values]
