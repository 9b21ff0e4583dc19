# SPDX-License-Identifier: GPL-3.0-or-later
"""Set what a client names on one of Blender's structs, checked against Blender's own description of it (RNA)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import bpy

from .names import unknown
from .registry import CommandError
from .values import rounded

_INHERITED = {"rna_type", "name", "type"}


def set_properties(target: Any, values: Mapping[str, Any]) -> None:
    """Set properties by name.

    Args:
        target: A struct, for instance a modifier.
        values: Numbers, strings, booleans, lists of them; for a pointer, the name of the object, collection or other
            data-block it should point to, or null.

    Raises:
        CommandError: A property is not there, or its value is of the wrong type, out of range or none of the choices.
            The text names what there is. Properties before it are set by then.
    """
    known = settable(target)
    for name, value in values.items():
        if name not in known:
            raise unknown(f"Property of {target.bl_rna.name}", name, known, list_all=True)
        described = known[name]
        checked = _checked(described, value)
        try:
            setattr(target, name, checked)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            raise CommandError(f"{name} cannot be {value!r}: {error}") from error
        if described.type == "POINTER" and getattr(target, name) != checked:
            raise CommandError(
                f"{name} cannot be {value!r}: Blender does not take this {described.fixed_type.name} there"
            )


def settable(target: Any) -> dict[str, Any]:
    """Return the properties a client may set, by name."""
    return {
        described.identifier: described
        for described in target.bl_rna.properties
        if described.identifier not in _INHERITED
        and not described.is_hidden
        and not described.is_readonly
        and described.type != "COLLECTION"
    }


def read_properties(target: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return properties as JSON says them; a data-block is its name."""
    return {name: _plain(getattr(target, name)) for name in names}


def _checked(described: Any, value: Any) -> Any:
    """Return a value as Blender takes it."""
    if described.type == "POINTER":
        return _data_block(described, value)
    if described.type == "ENUM" and described.is_enum_flag:
        if not isinstance(value, list):
            raise _wrong(described, value, "a list of names")
        return {_choice(described, entry) for entry in value}
    if getattr(described, "is_array", False):
        if not isinstance(value, list) or len(value) != described.array_length:
            raise _wrong(described, value, f"a list of {described.array_length}")
        return [_single(described, entry) for entry in value]
    return _single(described, value)


def _single(described: Any, value: Any) -> Any:
    if described.type == "BOOLEAN":
        if not isinstance(value, bool):
            raise _wrong(described, value, "true or false")
        return value
    if described.type == "STRING":
        if not isinstance(value, str):
            raise _wrong(described, value, "a string")
        return value
    if described.type == "ENUM":
        return _choice(described, value)
    whole = described.type == "INT"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        raise _wrong(described, value, "a whole number" if whole else "a number")
    if not described.hard_min <= value <= described.hard_max:
        raise _wrong(described, value, f"{described.hard_min:g} to {described.hard_max:g}")
    return value


def _choice(described: Any, value: Any) -> str:
    """Return an enum's identifier; case does not matter. A list that depends on the scene is left to Blender."""
    if not isinstance(value, str):
        raise _wrong(described, value, "a name")
    choices = described.enum_items.keys()
    if not choices or value in choices:
        return value
    if value.upper() in choices:
        return value.upper()
    raise unknown(f"Choice for {described.identifier}", value, choices, list_all=True)


def _data_block(described: Any, name: Any) -> Any:
    if name is None:
        return None
    kind = described.fixed_type.identifier
    home = _homes().get(kind)
    if home is None:
        raise CommandError(f"{described.identifier} holds a {described.fixed_type.name}, which has no name to give")
    if not isinstance(name, str):
        raise _wrong(described, name, f"the name of a {described.fixed_type.name}")
    found = home.get(name)
    if found is None:
        raise unknown(described.fixed_type.name, name, home.keys(), list_all=True)
    return found


def _homes() -> dict[str, Any]:
    """Return where data-blocks of a kind are."""
    data = bpy.data
    return {
        "Object": data.objects,
        "Collection": data.collections,
        "Image": data.images,
        "Material": data.materials,
        "Mesh": data.meshes,
        "NodeTree": data.node_groups,
        "Texture": data.textures,
    }


def _wrong(described: Any, value: Any, wanted: str) -> CommandError:
    return CommandError(f"{described.identifier} must be {wanted}, got {value!r:.100}")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return rounded([value])[0]
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, bpy.types.ID):
        return value.name
    return [_plain(entry) for entry in value]
