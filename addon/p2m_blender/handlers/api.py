# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's Python API offers, from Blender's own descriptions (RNA) and docstrings."""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import bpy

from ..api_index import ApiIndex, Entry
from ..registry import CommandError, command

LONGEST_SEARCH = 100
LONGEST_PAGE = 200
"""Most results of a search, and most members of one answer."""

MODULES = ("bpy", "bmesh", "mathutils", "bpy_extras", "gpu", "gpu_extras", "bl_math", "imbuf", "idprop", "aud", "blf")
"""Python modules that may be asked for."""

_MEMBERS_SHORT = 8
"""Most items of an enumeration that are named where it is one member among others."""

_HINT = "search_api finds names by words."


@command("search_api")
def search_api(query: str, limit: int = 20) -> dict[str, Any]:
    """Find operators, types, properties and functions by words.

    Args:
        query: Words, such as "bevel width", or part of a name.
        limit: Most results, 1 to `LONGEST_SEARCH`.

    Returns:
        ``results``, the best first: ``path`` (for `describe_api`), ``kind`` ("operator", "type", "property",
        "function"), ``description``; ``indexed`` (how many entries were searched).

    Raises:
        CommandError: The query has no words, or the limit is out of range.
    """
    if not 1 <= limit <= LONGEST_SEARCH:
        raise CommandError(f"search_api: limit must be 1 to {LONGEST_SEARCH}, got {limit}")
    if not query.strip():
        raise CommandError("search_api: the query is empty; give words, for instance 'bevel width'.")
    index = _index()
    results = [
        {"path": entry.path, "kind": entry.kind, "description": entry.description}
        for entry in index.search(query, limit)
    ]
    return {"results": results, "indexed": len(index)}


@command("describe_api")
def describe_api(path: str, limit: int = 60, offset: int = 0) -> dict[str, Any]:
    """Describe an operator, a type, a property, a function or a module.

    Args:
        path: Its name, such as "bpy.ops.mesh.primitive_cube_add", "bpy.types.Object.location" (or "Object.location"),
            "bpy.data.objects.new", "mathutils.Vector".
        limit: Most members to return, 1 to `LONGEST_PAGE`: parameters of an operator or function; properties and
            functions of a type.
        offset: How many members to skip.

    Returns:
        ``path``, ``kind`` ("operator", "type", "property", "function", "module", "value"), ``signature`` (null for
        what is not called), ``description``, ``type`` (of a property or result, null otherwise), ``bases`` (names),
        ``default``, ``minimum``, ``maximum``, ``unit``, ``items`` (of an enumeration: ``identifier``,
        ``description``), ``read_only``, ``members`` (each ``name``, ``kind``, ``type``, ``required``, ``default``,
        ``minimum``, ``maximum``, ``unit``, ``items`` names, ``description``), ``member_count``, ``next_offset``.

    Raises:
        CommandError: Blender has nothing of this name, or a number is out of range.
    """
    if not 1 <= limit <= LONGEST_PAGE:
        raise CommandError(f"describe_api: limit must be 1 to {LONGEST_PAGE}, got {limit}")
    if offset < 0:
        raise CommandError(f"describe_api: offset must not be negative, got {offset}")
    found = {**_NOTHING, **_describe(path.strip().removesuffix("()"))}
    members = found["members"]
    end = offset + limit
    return {
        **found,
        "members": members[offset:end],
        "member_count": len(members),
        "next_offset": end if end < len(members) else None,
    }


_NOTHING: dict[str, Any] = {
    "signature": None,
    "description": "",
    "type": None,
    "bases": [],
    "default": None,
    "minimum": None,
    "maximum": None,
    "unit": None,
    "items": [],
    "read_only": None,
    "members": [],
}
"""What an answer says where it has nothing to say."""


def _describe(path: str) -> dict[str, Any]:
    """Return what there is to say about a path; `describe_api` adds what is left out.

    Raises:
        CommandError: There is nothing of this name.
    """
    parts = path.split(".")
    if not all(part.isidentifier() for part in parts):
        raise CommandError(f"{path!r} is no name; give one such as bpy.ops.mesh.primitive_cube_add. {_HINT}")
    if parts[0] not in MODULES:
        parts = ["bpy", "types", *parts] if _rna_of(parts[0]) is not None else ["bpy", *parts]
    match parts:
        case ["bpy", "ops", module, name]:
            return _describe_operator(module, name)
        case ["bpy", "ops", module]:
            return _describe_operators(module)
        case ["bpy", "types", name, *rest] if (struct := _rna_of(name)) is not None:
            return _describe_member(struct, f"bpy.types.{name}", rest)
        case ["bpy", "data", *rest]:
            return _describe_member(bpy.types.BlendData.bl_rna, "bpy.data", rest)
        case ["bpy", "context", first, *rest] if first not in bpy.types.Context.bl_rna.properties:
            return _describe_context(first, rest)
        case ["bpy", "context", *rest]:
            return _describe_member(bpy.types.Context.bl_rna, "bpy.context", rest)
    return _describe_python(parts)


# --- operators ----------------------------------------------------------------------------------------------------


def _describe_operator(module: str, name: str) -> dict[str, Any]:
    if module not in dir(bpy.ops) or name not in dir(getattr(bpy.ops, module)):
        raise _unknown(f"bpy.ops.{module}.{name}")
    path = f"bpy.ops.{module}.{name}"
    struct = getattr(getattr(bpy.ops, module), name).get_rna_type()
    given = [prop for prop in struct.properties if prop.identifier != "rna_type"]
    arguments = ", ".join(f"{prop.identifier}={_spell(_default(prop))}" for prop in given)
    return {
        "path": path,
        "kind": "operator",
        "signature": f"{path}({arguments})",
        "description": struct.description or struct.name,
        "type": "set of str: {'FINISHED'} or {'CANCELLED'}",
        "members": [_member(prop, "parameter") for prop in given],
    }


def _describe_operators(module: str) -> dict[str, Any]:
    if module not in dir(bpy.ops):
        raise _unknown(f"bpy.ops.{module}")
    operators = getattr(bpy.ops, module)
    members = [
        {
            **_NO_MEMBER,
            "name": name,
            "kind": "operator",
            "description": getattr(operators, name).get_rna_type().description,
        }
        for name in dir(operators)
    ]
    return {"path": f"bpy.ops.{module}", "kind": "module", "members": members}


# --- types, properties and functions of RNA -----------------------------------------------------------------------


def _rna_of(name: str) -> Any:
    """Return the description of a type of `bpy.types`, None when there is none."""
    return getattr(getattr(bpy.types, name, None), "bl_rna", None)


def _describe_member(struct: Any, path: str, rest: list[str]) -> dict[str, Any]:
    """Describe what a chain of names leads to, beginning at a type."""
    for number, name in enumerate(rest):
        last = number == len(rest) - 1
        here = f"{path}.{'.'.join(rest[: number + 1])}"
        prop = struct.properties.get(name)
        if prop is not None and last:
            return _describe_property(prop, here)
        if prop is None:
            function = struct.functions.get(name)
            if function is not None and last:
                return _describe_function(function, here)
            return _describe_method(struct, here, name) if last else _refuse(path, rest)
        follows = getattr(prop, "fixed_type", None)
        if prop.type == "COLLECTION" and prop.srna is not None and _has(prop.srna, rest[number + 1]):
            follows = prop.srna
        if follows is None:
            _refuse(path, rest)
        struct = follows
    return _describe_type(struct, path)


def _has(struct: Any, name: str) -> bool:
    return name in struct.properties or name in struct.functions


def _refuse(path: str, rest: list[str]) -> Any:
    raise _unknown(".".join([path, *rest]))


def _describe_type(struct: Any, path: str) -> dict[str, Any]:
    """Describe a type with its members; those of its own come before those of its bases."""
    bases = []
    base = struct.base
    while base is not None:
        bases.append(base.identifier)
        base = base.base
    inherited = set(struct.base.properties.keys()) | set(struct.base.functions.keys()) if struct.base else set()
    members = [_member(prop, "property") for prop in struct.properties if prop.identifier != "rna_type"]
    members += [_function_member(function) for function in struct.functions]
    return {
        "path": path,
        "kind": "type",
        "description": struct.description or struct.name,
        "type": struct.identifier,
        "bases": bases,
        "members": sorted(members, key=lambda member: member["name"] in inherited),
    }


def _describe_property(prop: Any, path: str) -> dict[str, Any]:
    items = []
    if prop.type == "ENUM":
        items = [
            {"identifier": item.identifier, "description": item.description or item.name} for item in prop.enum_items
        ]
    described = {
        "path": path,
        "kind": "property",
        "description": prop.description or prop.name,
        "type": _type(prop),
        "read_only": prop.is_readonly,
        **_limits(prop),
        "items": items,
    }
    if prop.type == "COLLECTION" and prop.srna is not None:
        own = prop.srna
        described["members"] = [_function_member(function) for function in own.functions]
        described["members"] += [
            _member(entry, "property") for entry in own.properties if entry.identifier != "rna_type"
        ]
    return described


def _describe_function(function: Any, path: str) -> dict[str, Any]:
    given = [parameter for parameter in function.parameters if not parameter.is_output]
    given = [parameter for parameter in given if parameter.identifier != "rna_type"]
    results = [parameter for parameter in function.parameters if parameter.is_output]
    return {
        "path": path,
        "kind": "function",
        "signature": f"{path}({_arguments(function)})",
        "description": function.description,
        "type": ", ".join(_type(result) for result in results) or None,
        "members": [_member(parameter, "parameter") for parameter in given],
    }


def _describe_method(struct: Any, path: str, name: str) -> dict[str, Any]:
    """Describe a method that is Python's, not RNA's, such as `Object.keyframe_insert`."""
    owner = getattr(bpy.types, struct.identifier, None)
    found = getattr(owner, name, None) if not name.startswith("_") else None
    if found is None:
        raise _unknown(path)
    return _describe_object(found, path)


def _describe_context(first: str, rest: list[str]) -> dict[str, Any]:
    """Describe a member of the context that depends on where Blender is, such as `bpy.context.object`."""
    path = f"bpy.context.{first}"
    value = getattr(bpy.context, first, None)
    struct = getattr(value, "bl_rna", None)
    if struct is not None:
        return _describe_member(struct, path, rest)
    if value is None or rest:
        raise CommandError(f"{path} is nothing at the moment, so it cannot be described. {_HINT}")
    return {"path": path, "kind": "value", "type": type(value).__name__}


def _member(prop: Any, kind: str) -> dict[str, Any]:
    names = [item.identifier for item in prop.enum_items] if prop.type == "ENUM" else []
    if kind == "property" and len(names) > _MEMBERS_SHORT:
        names = [*names[:_MEMBERS_SHORT], "…"]
    return {
        "name": prop.identifier,
        "kind": kind,
        "type": _type(prop),
        "required": prop.is_required if kind == "parameter" else None,
        **_limits(prop),
        "items": names,
        "description": prop.description or prop.name,
    }


_NO_MEMBER: dict[str, Any] = {
    "type": None,
    "required": None,
    "default": None,
    "minimum": None,
    "maximum": None,
    "unit": None,
    "items": [],
    "description": "",
}


def _function_member(function: Any) -> dict[str, Any]:
    results = ", ".join(_type(parameter) for parameter in function.parameters if parameter.is_output)
    return {
        **_NO_MEMBER,
        "name": function.identifier,
        "kind": "function",
        "type": f"({_arguments(function)})" + (f" -> {results}" if results else ""),
        "description": function.description,
    }


def _arguments(function: Any) -> str:
    texts = []
    for parameter in function.parameters:
        if parameter.is_output or parameter.identifier == "rna_type":
            continue
        needed = parameter.is_required
        texts.append(parameter.identifier if needed else f"{parameter.identifier}={_spell(_default(parameter))}")
    return ", ".join(texts)


_PYTHON_TYPES = {"BOOLEAN": "bool", "INT": "int", "FLOAT": "float", "STRING": "str"}


def _type(prop: Any) -> str:
    """Return a property's type as Python sees it."""
    if prop.type in {"POINTER", "COLLECTION"}:
        name = prop.fixed_type.identifier if prop.fixed_type else "struct"
        return name if prop.type == "POINTER" else f"collection of {name}"
    if prop.type == "ENUM":
        return "set of enum items" if prop.is_enum_flag else "enum"
    name = _PYTHON_TYPES.get(prop.type, prop.type.lower())
    length = getattr(prop, "array_length", 0)
    return f"{name}[{length}]" if length else name


def _default(prop: Any) -> Any:
    """Return a property's default as JSON can say it."""
    if prop.type in {"POINTER", "COLLECTION"}:
        return None
    if prop.type == "ENUM":
        return sorted(prop.default_flag) if prop.is_enum_flag else prop.default
    if getattr(prop, "array_length", 0):
        return [_plain(value) for value in prop.default_array]
    return _plain(prop.default)


def _limits(prop: Any) -> dict[str, Any]:
    """Return a property's default, range and unit."""
    numeric = prop.type in {"INT", "FLOAT"}
    return {
        "default": _default(prop),
        "minimum": _bound(prop.hard_min) if numeric else None,
        "maximum": _bound(prop.hard_max) if numeric else None,
        "unit": prop.unit.lower() if prop.unit != "NONE" else None,
    }


def _bound(value: float) -> float | None:
    """Return a limit, None for one that only says how large a number the machine can keep."""
    return None if abs(value) >= 2**31 - 1 else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None
    return value


def _spell(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(repr, value))})" if not any(isinstance(one, str) for one in value) else f"set({value})"
    return repr(value)


# --- the rest of the Python API -----------------------------------------------------------------------------------


def _describe_python(parts: list[str]) -> dict[str, Any]:
    """Describe what is no RNA: functions, classes and modules, by their docstrings."""
    path = ".".join(parts)
    try:
        found: Any = importlib.import_module(parts[0])
    except ImportError:
        raise _unknown(path) from None
    for number, name in enumerate(parts[1:], start=2):
        if name.startswith("_"):
            raise _unknown(path)
        try:
            found = getattr(found, name)
        except AttributeError:
            if not inspect.ismodule(found):
                raise _unknown(path) from None
            try:
                found = importlib.import_module(".".join(parts[:number]))
            except ImportError:
                raise _unknown(path) from None
    return _describe_object(found, path)


def _describe_object(found: Any, path: str) -> dict[str, Any]:
    """Describe a Python object by its docstring and, if it has one, its signature."""
    kind = "value"
    if inspect.ismodule(found):
        kind = "module"
    elif inspect.isclass(found):
        kind = "type"
    elif callable(found):
        kind = "function"
    members = []
    if kind in {"module", "type"}:
        for name in dir(found):
            if not name.startswith("_"):
                member = getattr(found, name, None)
                members.append(
                    {**_NO_MEMBER, "name": name, "kind": _kind_in(member), "description": _first_line(member)}
                )
    signature, text = _documentation(found, path)
    return {
        "path": path,
        "kind": kind,
        "signature": signature if kind in {"function", "type"} else None,
        "description": "" if kind == "value" else text,
        "type": type(found).__name__ if kind == "value" else None,
        "members": members,
    }


def _kind_in(member: Any) -> str:
    if inspect.ismodule(member):
        return "module"
    if inspect.isclass(member):
        return "type"
    return "function" if callable(member) else "property"


def _first_line(member: Any) -> str:
    text = inspect.getdoc(member) or "" if callable(member) or inspect.isdatadescriptor(member) else ""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(".. ")]
    return lines[0].strip() if lines else ""


_WRITTEN_SIGNATURE = re.compile(r"(?:\.\. \w+:: |BMeshOpFunc )(?:[\w.]+\.)?(\w+\(.*\)(?:\n->.*)?)")
"""How a docstring of Blender begins when it gives a signature."""


def _documentation(found: Any, path: str) -> tuple[str | None, str]:
    """Return an object's signature, None when it has or tells none, and its docstring."""
    text = inspect.getdoc(found) or ""
    if match := _WRITTEN_SIGNATURE.match(text):
        signature = match[1].replace("\n", " ")
        return f"{path.rpartition('.')[0]}.{signature}", text[match.end() :].strip()
    try:
        return f"{path}{inspect.signature(found)}", text
    except (TypeError, ValueError):
        return None, text


# --- search -------------------------------------------------------------------------------------------------------


@cache
def _index() -> ApiIndex:
    """Return the index of what this Blender offers; built at the first search, in about half a second."""
    return ApiIndex([*_operators(), *_types()])


def _operators() -> Iterator[Entry]:
    for module in dir(bpy.ops):
        operators = getattr(bpy.ops, module)
        for name in dir(operators):
            struct = getattr(operators, name).get_rna_type()
            yield Entry(f"bpy.ops.{module}.{name}", "operator", struct.description or struct.name)


def _types() -> Iterator[Entry]:
    """Return types with their own properties and functions, without panels, menus and the like of the window."""
    for name in dir(bpy.types):
        struct = _rna_of(name)
        if struct is None or any(mark in name for mark in ("_PT_", "_MT_", "_OT_", "_HT_", "_UL_")):
            continue
        path = f"bpy.types.{name}"
        about = struct.description or struct.name
        yield Entry(path, "type", about)
        base = struct.base
        inherited = {"rna_type", *(base.properties.keys() if base else ()), *(base.functions.keys() if base else ())}
        for prop in struct.properties:
            if prop.identifier not in inherited:
                yield Entry(f"{path}.{prop.identifier}", "property", prop.description or prop.name, about)
        inherited.update(struct.properties.keys())  # where both have one name, Python sees the property
        for function in struct.functions:
            if function.identifier not in inherited:
                yield Entry(f"{path}.{function.identifier}", "function", function.description, about)


def _unknown(path: str) -> CommandError:
    return CommandError(f"Blender has nothing called {path}. {_HINT}")
