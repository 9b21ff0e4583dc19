# SPDX-License-Identifier: GPL-3.0-or-later
"""Modifiers, and booleans made of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import bpy

from ..lookup import editable_object, not_edited, placement, remove_unused
from ..names import unknown
from ..registry import CommandError, command
from ..rna import read_properties, set_properties


@command("add_modifier", kind="edit")
def add_modifier(
    name: str,
    type: str,
    modifier_name: str | None = None,
    properties: dict[str, Any] = {},  # noqa: B006 - read only
) -> dict[str, Any]:
    """Add a modifier to the end of an object's stack.

    Args:
        name: The object.
        type: Blender's type of modifier, for instance "BEVEL"; case does not matter.
        modifier_name: What to call it; by default as Blender calls this type.
        properties: What to set on it, as `set_properties` takes it.

    Returns:
        ``object``, ``modifier`` (its name), ``type``, ``index`` in the stack, ``properties`` (those that were set, as
        Blender has them now) and ``object_modifiers`` (names, in order).

    Raises:
        CommandError: The object, type or a property is not known, or does not go together. Nothing is added then.
    """
    item = editable_object(name)
    described = bpy.types.Modifier.bl_rna.properties["type"].enum_items
    kind = type.upper()
    if kind not in described:
        raise unknown("Type of modifier", kind, _types_for(item, described.keys()), list_all=True)
    modifier = item.modifiers.new(modifier_name or described[kind].name, kind)
    if modifier is None:
        raise CommandError(f"{item.name!r} is of type {item.type}, which takes no modifier of type {kind}")
    try:
        set_properties(modifier, properties)
    except CommandError:
        item.modifiers.remove(modifier)
        raise
    bpy.context.view_layer.update()
    return {
        "object": item.name,
        "modifier": modifier.name,
        "type": modifier.type,
        "index": item.modifiers.find(modifier.name),
        "properties": read_properties(modifier, properties),
        "object_modifiers": item.modifiers.keys(),
    }


@command("boolean", kind="edit")
def boolean(
    name: str,
    cutter: str,
    operation: Literal["union", "difference", "intersect"] = "difference",
    apply: bool = True,
    after: Literal["hide", "delete", "keep"] = "hide",
) -> dict[str, Any]:
    """Combine a mesh with another one.

    Args:
        name: The mesh that changes.
        cutter: The other mesh.
        operation: "union" adds the cutter, "difference" takes it away, "intersect" leaves what both share.
        apply: Whether the result becomes the object's mesh now; else a modifier stays that follows the cutter.
        after: What happens to the cutter: out of sight in viewport and renders, deleted (with `apply`), or as it is.

    Returns:
        ``object`` (as `placement` gives it), ``cutter`` ("hidden", "deleted" or "kept"), ``modifier`` (name, null when
        applied), ``vertices`` and ``polygons`` of the result.

    Raises:
        CommandError: An object is not known, no mesh, or hidden; nothing would be left of it; or the options do not go
            together. Nothing is changed then.
    """
    target, tool = _mesh_object(name), _mesh_object(cutter)
    if target == tool:
        raise CommandError("An object cannot be combined with itself; name another cutter")
    if after == "delete" and not apply:
        raise CommandError("A modifier needs its cutter; choose after 'hide', or apply it")
    if apply and target.data.shape_keys:
        raise CommandError(
            f"{target.name!r} has shape keys, which a boolean would lose; use apply false, or remove them"
        )
    if not target.visible_get():
        raise CommandError(f"{target.name!r} is hidden, and Blender computes only what is visible; show it first")
    modifier = target.modifiers.new("Boolean", "BOOLEAN")
    modifier.operation = operation.upper()
    modifier.object = tool
    try:
        mesh = _result_of(target, modifier if apply else None)
    except CommandError:
        target.modifiers.remove(modifier)
        raise
    vertices, polygons = len(mesh.vertices), len(mesh.polygons)
    if apply:
        target.modifiers.remove(modifier)
        _replace_mesh(target, mesh)
    else:
        bpy.data.meshes.remove(mesh)
    outcome = _dispose(tool, after)
    bpy.context.view_layer.update()
    return {
        "object": placement(target),
        "cutter": outcome,
        "modifier": None if apply else modifier.name,
        "vertices": vertices,
        "polygons": polygons,
    }


def _types_for(item: Any, types: Iterable[str]) -> list[str]:
    """Return the types of modifiers that may fit an object: grease pencil has its own."""
    drawn = item.type in {"GPENCIL", "GREASEPENCIL"}
    return [kind for kind in types if kind.startswith(("GREASE_PENCIL", "GP_", "LINEART")) == drawn]


def _mesh_object(name: str) -> Any:
    item = not_edited(editable_object(name))
    if item.type != "MESH":
        raise CommandError(f"{item.name!r} is of type {item.type}; a boolean needs two meshes")
    if not item.data.polygons:
        raise CommandError(f"{item.name!r} has no faces; a boolean needs closed meshes")
    return item


def _result_of(target: Any, only: Any | None) -> Any:
    """Return a new mesh: what an object's modifiers make of it, or one of them alone.

    Raises:
        CommandError: It would be empty.
    """
    with _alone(target, only):
        depsgraph = bpy.context.evaluated_depsgraph_get()
        depsgraph.update()
        mesh = bpy.data.meshes.new_from_object(
            target.evaluated_get(depsgraph), preserve_all_data_layers=True, depsgraph=depsgraph
        )
    if not mesh.polygons:
        bpy.data.meshes.remove(mesh)
        raise CommandError(
            f"Nothing would be left of {target.name!r}; look whether the two meshes overlap as they should"
        )
    return mesh


@contextmanager
def _alone(target: Any, only: Any | None) -> Iterator[None]:
    """Switch off all modifiers but one, as Blender does when it applies one; None leaves them."""
    shown = [] if only is None else [other for other in target.modifiers if other != only and other.show_viewport]
    for other in shown:
        other.show_viewport = False
    try:
        yield
    finally:
        for other in shown:
            other.show_viewport = True


def _replace_mesh(item: Any, mesh: Any) -> None:
    """Give an object a new mesh under the name of the one it had, unless others use that still."""
    former, name = item.data, item.data.name
    item.data = mesh
    if former.users == 0:
        bpy.data.meshes.remove(former)
        mesh.name = name


def _dispose(cutter: Any, after: str) -> str:
    if after == "delete":
        data = cutter.data
        bpy.data.objects.remove(cutter)
        remove_unused(data)
        return "deleted"
    if after == "hide":
        if cutter.name in bpy.context.view_layer.objects:
            cutter.hide_set(True)
        cutter.hide_render = True
        return "hidden"
    return "kept"
