# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects by name, and an object as clients read it: what the topics of handlers share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy
from mathutils import Quaternion

from .names import unknown
from .registry import CommandError
from .values import rounded


def find_object(name: str) -> Any:
    """Return an object of the file.

    Raises:
        CommandError: There is none of this name; the text names similar ones.
    """
    item = bpy.data.objects.get(name)
    if item is None:
        raise unknown("Object", name, bpy.data.objects.keys())
    return item


def editable_object(name: str) -> Any:
    """Return an object that may be changed.

    Raises:
        CommandError: As `find_object`; or it belongs to a linked file.
    """
    item = find_object(name)
    if item.library is not None:
        raise CommandError(
            f"The object {name!r} belongs to the linked file {item.library.filepath}; make it local first"
        )
    return item


def editable_objects(names: Iterable[str]) -> list[Any]:
    """Return several objects that may be changed, each once.

    Raises:
        CommandError: As `editable_object`; or there are no names.
    """
    items = [editable_object(name) for name in dict.fromkeys(names)]
    if not items:
        raise CommandError("Name at least one object")
    return items


def find_collection(name: str) -> Any:
    """Return a collection of the file, or the current scene's own.

    Raises:
        CommandError: There is none of this name; the text names similar ones.
    """
    scene_collection = bpy.context.scene.collection
    if name == scene_collection.name:
        return scene_collection
    found = bpy.data.collections.get(name)
    if found is None:
        raise unknown("Collection", name, [scene_collection.name, *bpy.data.collections.keys()], list_all=True)
    return found


def not_edited(item: Any) -> Any:
    """Return an object whose data is not open in edit mode, where changes to it would be lost.

    Raises:
        CommandError: It is in edit mode.
    """
    if item.mode == "EDIT":
        raise CommandError(f"The object {item.name!r} is in edit mode; ask the person to leave it with Tab")
    return item


def placement(item: Any) -> dict[str, Any]:
    """Return an object as clients read it. Its matrices must be up to date (``view_layer.update()``).

    Returns:
        ``name``, ``type``, ``location`` (Blender units, counted from where its parent was when it became the parent),
        ``rotation`` (Euler angles about x, y, z in radians), ``scale``, ``world_location`` and ``dimensions`` (Blender
        units), ``parent`` (name or null), ``collections`` (names).
    """
    return {
        "name": item.name,
        "type": item.type,
        "location": rounded(item.location),
        "rotation": rounded(euler_of(item)),
        "scale": rounded(item.scale),
        "world_location": rounded(item.matrix_world.translation),
        "dimensions": rounded(item.dimensions),
        "parent": None if item.parent is None else item.parent.name,
        "collections": [collection.name for collection in item.users_collection],
    }


def euler_of(item: Any) -> Any:
    """Return an object's rotation as Euler angles about x, then y, then z, in radians, whatever its mode is."""
    if item.rotation_mode == "XYZ":
        return item.rotation_euler
    return quaternion_of(item).to_euler()


def quaternion_of(item: Any) -> Any:
    """Return an object's rotation as a quaternion, whatever its mode is."""
    if item.rotation_mode == "QUATERNION":
        return item.rotation_quaternion.copy()
    if item.rotation_mode == "AXIS_ANGLE":
        angle, *axis = item.rotation_axis_angle
        return Quaternion(axis, angle)
    return item.rotation_euler.to_quaternion()


def remove_unused(data: Any) -> None:
    """Remove an object's data-block if nothing uses it any more."""
    if data is not None and data.users == 0:
        bpy.data.batch_remove([data])
