# SPDX-License-Identifier: GPL-3.0-or-later
"""Move, copy, parent and delete objects."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import bpy
from mathutils import Euler, Matrix, Quaternion, Vector

from ..lookup import editable_object, editable_objects, placement, quaternion_of, remove_unused
from ..registry import CommandError, command
from ..values import finite, within

MOST_COPIES = 1000
"""Of one `duplicate_object`."""


@command("transform_object", kind="edit")
def transform_object(
    name: str,
    location: list[float] | None = None,
    rotation: list[float] | None = None,
    quaternion: list[float] | None = None,
    scale: list[float] | None = None,
    dimensions: list[float] | None = None,
    relative: bool = False,
) -> dict[str, Any]:
    """Place an object; what is not given stays.

    Args:
        name: The object.
        location: Blender units, relative to its parent if it has one.
        rotation: Euler angles about x, then y, then z, in radians.
        quaternion: The same as w, x, y, z; it is normalized.
        scale: Factors.
        dimensions: Size of its bounding box in Blender units, reached by scaling.
        relative: Whether the values are added to what is there: location is shifted, the rotation follows the present
            one about the parent's axes, scale is multiplied.

    Returns:
        The object, as `placement` gives it.

    Raises:
        CommandError: The object is not known or cannot be changed, or the values do not go together.
    """
    item = editable_object(name)
    if rotation is not None and quaternion is not None:
        raise CommandError("Give rotation or quaternion, not both")
    if dimensions is not None and (relative or scale is not None):
        raise CommandError("dimensions are absolute and set the scale; leave out relative and scale")
    moved = None if location is None else Vector(finite("location", location, 3))
    turned = _rotation(rotation, quaternion)
    stretched = None if scale is None else Vector(finite("scale", scale, 3))
    bpy.context.view_layer.update()
    if dimensions is not None:
        stretched = _scale_for(item, finite("dimensions", dimensions, 3))
    if relative:
        moved = None if moved is None else item.location + moved
        stretched = None if stretched is None else item.scale * stretched
        turned = None if turned is None else _quaternion(turned) @ quaternion_of(item)
    if moved is not None:
        item.location = moved
    if turned is not None:
        _turn(item, turned)
    if stretched is not None:
        item.scale = stretched
    bpy.context.view_layer.update()
    return placement(item)


@command("duplicate_object", kind="edit")
def duplicate_object(
    name: str,
    linked: bool = False,
    count: int = 1,
    offset: list[float] = [0, 0, 0],  # noqa: B006 - read only
    new_name: str | None = None,
) -> dict[str, Any]:
    """Copy an object, without its children, into the same collections and under the same parent.

    Args:
        name: The object.
        linked: Whether the copies share its mesh (or other data); else each has its own.
        count: How many copies, up to `MOST_COPIES`.
        offset: Blender units from each copy to the next, along the parent's axes.
        new_name: What to call them; Blender appends numbers. By default the object's own name.

    Returns:
        ``objects``: the copies, as `placement` gives them.

    Raises:
        CommandError: The object is not known, or a number is out of range.
    """
    item = editable_object(name)
    within("count", count, 1, MOST_COPIES)
    step = Vector(finite("offset", offset, 3))
    copies = []
    for number in range(1, count + 1):
        copy = item.copy()
        copy.name = new_name or item.name
        if not linked and item.data is not None:
            copy.data = item.data.copy()
        copy.location = item.location + number * step
        for collection in item.users_collection:
            collection.objects.link(copy)
        copies.append(copy)
    bpy.context.view_layer.update()
    return {"objects": [placement(copy) for copy in copies]}


@command("delete_objects", kind="edit")
def delete_objects(names: list[str], with_children: bool = False) -> dict[str, Any]:
    """Delete objects, and their meshes or other data if nothing else uses it.

    Args:
        names: The objects. If one of them is not known, none is deleted.
        with_children: Whether everything below them goes too; else children stay where they are, without a parent.

    Returns:
        ``deleted`` (names) and ``object_count`` (objects left in the scene).

    Raises:
        CommandError: An object is not known or cannot be changed.
    """
    items = editable_objects(names)
    if with_children:
        below = itertools.chain.from_iterable(item.children_recursive for item in items)
        items = editable_objects(item.name for item in (*items, *below))
    bpy.context.view_layer.update()
    for child in _left_behind(items):
        _unparent(child)
    deleted = [item.name for item in items]
    data = {item.data for item in items} - {None}
    bpy.data.batch_remove(items)
    for block in data:
        remove_unused(block)
    bpy.context.view_layer.update()
    return {"deleted": deleted, "object_count": len(bpy.context.scene.objects)}


@command("set_parent", kind="edit")
def set_parent(children: list[str], parent: str | None = None, keep_transform: bool = True) -> dict[str, Any]:
    """Put objects below another one, or below none.

    Args:
        children: The objects.
        parent: Their new parent; null takes them away from the one they have.
        keep_transform: Whether they stay where they are in the world; else their location, rotation and scale count
            from the parent at once.

    Returns:
        ``objects``: the children, as `placement` gives them.

    Raises:
        CommandError: An object is not known or cannot be changed, or the parent is one of them or below one of them.
    """
    items = editable_objects(children)
    above = None if parent is None else editable_object(parent)
    for item in items:
        if above is not None and (above == item or above in item.children_recursive):
            raise CommandError(f"{above.name!r} cannot be the parent of {item.name!r}: it is that object or below it")
    bpy.context.view_layer.update()
    for item in items:
        if above is None and keep_transform:
            _unparent(item)
            continue
        frame = _frame(item)
        item.parent = above
        item.parent_type = "OBJECT"
        item.matrix_parent_inverse.identity()
        if above is not None and keep_transform:
            item.matrix_parent_inverse = above.matrix_world.inverted_safe() @ frame
    bpy.context.view_layer.update()
    return {"objects": [placement(item) for item in items]}


def _rotation(rotation: list[float] | None, quaternion: list[float] | None) -> Euler | Quaternion | None:
    if rotation is not None:
        return Euler(finite("rotation", rotation, 3))
    if quaternion is None:
        return None
    turned = Quaternion(finite("quaternion", quaternion, 4))
    if turned.magnitude < 1e-6:
        raise CommandError("quaternion must not be zero; (1, 0, 0, 0) is no rotation")
    return turned.normalized()


def _quaternion(turned: Euler | Quaternion) -> Quaternion:
    return turned.to_quaternion() if isinstance(turned, Euler) else turned


def _turn(item: Any, turned: Euler | Quaternion) -> None:
    """Rotate an object in its own rotation mode; Euler angles beyond half a turn stay as given where the mode can."""
    if item.rotation_mode == "QUATERNION":
        item.rotation_quaternion = _quaternion(turned)
    elif item.rotation_mode == "AXIS_ANGLE":
        axis, angle = _quaternion(turned).to_axis_angle()
        item.rotation_axis_angle = (angle, *axis)
    elif item.rotation_mode == "XYZ" and isinstance(turned, Euler):
        item.rotation_euler = turned
    else:
        item.rotation_euler = _quaternion(turned).to_euler(item.rotation_mode)


def _scale_for(item: Any, dimensions: tuple[float, ...]) -> Vector:
    """Return the scale that gives an object these dimensions; along an axis where it is flat, the one it has."""
    factors = []
    for axis, size, now, wanted in zip("xyz", item.dimensions, item.scale, dimensions, strict=True):
        within("dimensions", wanted, 0)
        if size == 0 and wanted > 0:
            raise CommandError(f"{item.name!r} is flat along {axis}; give 0 there, or use scale")
        factors.append(now * wanted / size if size else now)
    return Vector(factors)


def _frame(item: Any) -> Matrix:
    """Return where in the world an object's own location, rotation and scale count from."""
    if item.parent is None:
        return Matrix()
    if item.parent_type == "OBJECT":
        return item.parent.matrix_world @ item.matrix_parent_inverse
    return item.matrix_world @ item.matrix_basis.inverted_safe()


def _unparent(item: Any) -> None:
    """Take an object away from its parent and leave it where it is."""
    frame = _frame(item)
    item.parent = None
    item.matrix_basis = frame @ item.matrix_basis


def _left_behind(items: Iterable[Any]) -> list[Any]:
    """Return the children of objects that are not among them."""
    going = set(items)
    return [child for item in going for child in item.children if child not in going]
