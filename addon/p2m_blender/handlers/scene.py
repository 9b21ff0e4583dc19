# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the scene."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from typing import Any

import bpy
from mathutils import Vector

from ..lookup import euler_of, find_collection, find_object, placement
from ..names import unknown
from ..registry import CommandError, command
from ..values import rounded

LONGEST_PAGE = 1000
"""Most objects in one answer."""


@command("get_scene_info")
def get_scene_info(
    limit: int = 50,
    offset: int = 0,
    type: str | None = None,
    name: str | None = None,
    collection: str | None = None,
    visible: bool | None = None,
) -> dict[str, Any]:
    """Return the current scene's settings and objects, a page at a time.

    Args:
        limit: Most objects to return, 0 to `LONGEST_PAGE`.
        offset: How many of the matching objects to skip.
        type: As `list_objects` takes it, and so are the others.
        name: Pattern of names.
        collection: Name of a collection.
        visible: Whether they show in the viewport.

    Returns:
        ``name``, ``object_count`` (of the scene), ``match_count`` (of them, how many match), ``objects`` (each
        ``name``, ``type``, ``location`` in Blender units), ``materials_count``, ``offset``, ``next_offset`` (null on
        the last page); ``frame`` (``current``, ``start``, ``end``, ``step``, ``fps``), ``units`` (``system``,
        ``metres_per_unit``, ``length``, ``rotation``), ``camera`` (name or null), ``world`` (name or null),
        ``engine``, ``resolution`` (width and height in pixels), ``collections`` (names), ``file`` (path or null).

    Raises:
        CommandError: A number is out of range, or a type or collection is not known.
    """
    scene = bpy.context.scene
    found = _matching(type, name, collection, visible)
    page, next_offset = _page("get_scene_info", found, limit, offset)
    render, units = scene.render, scene.unit_settings
    return {
        "name": scene.name,
        "object_count": len(scene.objects),
        "match_count": len(found),
        "objects": [{"name": item.name, "type": item.type, "location": rounded(item.location)} for item in page],
        "materials_count": len(bpy.data.materials),
        "offset": offset,
        "next_offset": next_offset,
        "frame": {
            "current": scene.frame_current,
            "start": scene.frame_start,
            "end": scene.frame_end,
            "step": scene.frame_step,
            "fps": rounded([render.fps / render.fps_base])[0],
        },
        "units": {
            "system": units.system,
            "metres_per_unit": rounded([units.scale_length])[0],
            "length": units.length_unit,
            "rotation": units.system_rotation,
        },
        "camera": scene.camera.name if scene.camera else None,
        "world": scene.world.name if scene.world else None,
        "engine": render.engine,
        "resolution": [
            side * render.resolution_percentage // 100 for side in (render.resolution_x, render.resolution_y)
        ],
        "collections": [found.name for found in scene.collection.children_recursive],
        "file": bpy.data.filepath or None,
    }


@command("list_objects")
def list_objects(
    type: str | None = None,
    name: str | None = None,
    collection: str | None = None,
    visible: bool | None = None,
    limit: int = 100,
    offset: int = 0,
) -> dict[str, Any]:
    """Return the scene's objects that match all that is given, a page at a time.

    Args:
        type: Blender's object type, for instance "MESH"; upper and lower case count as equal.
        name: Pattern with ``*``, ``?`` and ``[…]``; without any of them, a part of the name. Case does not matter.
        collection: Name of a collection; those inside it count too.
        visible: Whether they show in the viewport.
        limit: Most objects to return, 0 to `LONGEST_PAGE`.
        offset: How many of the matching objects to skip.

    Returns:
        ``objects`` (each as `placement` gives it, with ``visible``, ``selected`` and ``materials``), ``match_count``,
        ``offset``, ``next_offset`` (null on the last page).

    Raises:
        CommandError: A number is out of range, or a type or collection is not known.
    """
    found = _matching(type, name, collection, visible)
    page, next_offset = _page("list_objects", found, limit, offset)
    bpy.context.view_layer.update()  # a change in the same turn of Blender's loop has not moved matrices yet
    objects = [
        {
            **placement(item),
            "visible": item.visible_get(),
            "selected": item.select_get(),
            "materials": _materials_of(item),
        }
        for item in page
    ]
    return {"objects": objects, "match_count": len(found), "offset": offset, "next_offset": next_offset}


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
        CommandError: There is no object of this name; the text names similar ones.
    """
    item = find_object(name)
    bpy.context.view_layer.update()  # a change in the same turn of Blender's loop has not moved matrices yet
    info: dict[str, Any] = {
        "name": item.name,
        "type": item.type,
        "location": rounded(item.location),
        "rotation": rounded(euler_of(item)),
        "scale": rounded(item.scale),
        "visible": item.visible_get(),
        "materials": _materials_of(item),
    }
    if item.type == "MESH":
        mesh = item.data
        info["mesh"] = {"vertices": len(mesh.vertices), "edges": len(mesh.edges), "polygons": len(mesh.polygons)}
        corners = [item.matrix_world @ Vector(corner) for corner in item.bound_box]
        info["world_bounding_box"] = [rounded(map(pick, zip(*corners, strict=True))) for pick in (min, max)]
    return info


def _matching(type: str | None, name: str | None, collection: str | None, visible: bool | None) -> list[Any]:
    """Return the scene's objects that match all that is given."""
    tests: list[Callable[[Any], bool]] = []
    if type is not None:
        types = bpy.types.Object.bl_rna.properties["type"].enum_items.keys()
        wanted = type.upper()
        if wanted not in types:
            raise unknown("Object type", type, types, list_all=True)
        tests.append(lambda item: item.type == wanted)
    if name is not None:
        pattern = name.lower() if any(sign in name for sign in "*?[") else f"*{name.lower()}*"
        tests.append(lambda item: fnmatch.fnmatchcase(item.name.lower(), pattern))
    if visible is not None:
        tests.append(lambda item: item.visible_get() is visible)
    objects: Iterable[Any] = bpy.context.scene.objects
    if collection is not None:
        inside = set(find_collection(collection).all_objects)
        objects = (item for item in objects if item in inside)
    return [item for item in objects if all(test(item) for test in tests)]


def _page(name: str, found: list[Any], limit: int, offset: int) -> tuple[list[Any], int | None]:
    """Return a page of what was found, and the offset of the next one."""
    if not 0 <= limit <= LONGEST_PAGE:
        raise CommandError(f"{name}: limit must be 0 to {LONGEST_PAGE}, got {limit}")
    if offset < 0:
        raise CommandError(f"{name}: offset must not be negative, got {offset}")
    end = offset + limit
    return found[offset:end], end if end < len(found) else None


def _materials_of(item: Any) -> list[str]:
    return [slot.material.name for slot in item.material_slots if slot.material]
