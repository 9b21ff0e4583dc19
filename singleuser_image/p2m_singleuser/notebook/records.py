"""Structured results: JSON schemas become dataclasses, and what tools return becomes objects of them."""

from __future__ import annotations

import dataclasses
import functools
import keyword
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union

from p2m_singleuser.notebook import tables
from p2m_singleuser.notebook.pictures import Picture

Schema = Mapping[str, Any]

PLAIN = {"string": str, "integer": int, "number": float, "boolean": bool, "null": type(None)}

_LARGEST_ENUM = 50
"""An enumeration with more values than that is shown as its type."""


_OTHER = re.compile(r"[^0-9A-Za-z_]")


class Record:
    """A result with named fields: ``scene.objects[0].name``. A notebook shows its picture, or else a table.

    Attributes:
        picture: What the tool drew, None when it drew nothing.
    """

    picture: Picture | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain dictionaries and lists, without the picture."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def __str__(self) -> str:
        return tables.text(self.as_dict())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if self.picture is not None:
            return {**self.picture._repr_mimebundle_(), "text/plain": str(self)}
        return {"text/html": tables.html(self.as_dict()), "text/plain": str(self)}


class Types:
    """The Python types of one JSON schema; a ``$ref`` gives the same class each time.

    Args:
        root: The whole schema, which ``$ref`` looks into.
    """

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._records: dict[int, type[Record] | None] = {}  # by the identity of a schema in the root, which stays

    def of(self, schema: Schema, name: str = "Result") -> Any:
        """Return the type that a schema stands for, as it would be written in a signature.

        Args:
            schema: A part of the root.
            name: What a class is called if the schema is an object without a title.
        """
        if "$ref" in schema:
            return self._referred(str(schema["$ref"]))
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return _either([self.of(option, name) for option in options])
        if "const" in schema:
            return Literal[schema["const"]]
        if "enum" in schema and len(schema["enum"]) <= _LARGEST_ENUM:
            return Literal[tuple(schema["enum"])]
        kind = schema.get("type")
        if isinstance(kind, list):
            return _either([PLAIN.get(one, Any) for one in kind])
        if kind == "array":
            return self._array(schema, name)
        if kind == "object":
            return self._object(schema, name)
        return PLAIN.get(str(kind), Any)

    def read(self, schema: Schema, value: Any, name: str = "Result") -> Any:
        """Return JSON as what `of` promises; what fits no part of the schema stays as it is."""
        if "$ref" in schema:
            return self.read(self._resolve(str(schema["$ref"])), value, _name(str(schema["$ref"]).rsplit("/", 1)[-1]))
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self.read(next((option for option in options if self._fits(option, value)), {}), value, name)
        if isinstance(value, list):
            return self._read_list(schema, value, name)
        if not isinstance(value, dict):
            return value
        if "properties" in schema:
            made, attributes = self._record(schema, name), _attributes(schema["properties"])
            return made(
                **{
                    attributes[key]: self.read(part, value.get(key, part.get("default")), f"{made.__name__}_{key}")
                    for key, part in schema["properties"].items()
                }
            )
        below = schema.get("additionalProperties")
        return {key: self.read(below, item) if isinstance(below, Mapping) else item for key, item in value.items()}

    def _read_list(self, schema: Schema, value: list[Any], name: str) -> Any:
        if "prefixItems" in schema and len(schema["prefixItems"]) == len(value):
            return tuple(self.read(part, item, name) for part, item in zip(schema["prefixItems"], value, strict=True))
        items = schema.get("items")
        return [self.read(items, item, name) if isinstance(items, Mapping) else item for item in value]

    def _fits(self, schema: Schema, value: Any) -> bool:
        """Return whether a value looks like this option of several, as far as it decides how to read it."""
        if "$ref" in schema:
            return self._fits(self._resolve(str(schema["$ref"])), value)
        if "const" in schema:
            return bool(schema["const"] == value)
        if isinstance(value, dict):
            return (
                schema.get("type") == "object"
                and all(
                    key in value and self._fits(part, value[key]) if "const" in part else True
                    for key, part in schema.get("properties", {}).items()
                )
                and set(schema.get("required", ())) <= set(value)
            )
        if isinstance(value, list):
            return schema.get("type") == "array"
        return False

    def _array(self, schema: Schema, name: str) -> Any:
        if "prefixItems" in schema:
            return tuple[tuple(self.of(part, name) for part in schema["prefixItems"])]  # type: ignore[misc]
        items = self.of(schema["items"], name) if isinstance(schema.get("items"), Mapping) else Any
        return list[items]  # type: ignore[valid-type]

    def _object(self, schema: Schema, name: str) -> Any:
        if "properties" in schema:
            return self._record(schema, name)
        below = schema.get("additionalProperties")
        values = self.of(below, name) if isinstance(below, Mapping) else Any
        return dict[str, values]  # type: ignore[valid-type]

    def _referred(self, reference: str) -> Any:
        schema = self._resolve(reference)
        return self.of(schema, _name(reference.rsplit("/", 1)[-1]))

    def _record(self, schema: Schema, name: str) -> Any:
        """Return the class of an object with properties; inside itself it is named, not nested."""
        name = _name(str(schema.get("title") or name))
        if id(schema) in self._records:
            return self._records[id(schema)] or name
        self._records[id(schema)] = None
        attributes = _attributes(schema["properties"])
        fields = [(attributes[key], self.of(part, f"{name}_{key}")) for key, part in schema["properties"].items()]
        made = dataclasses.make_dataclass(
            name, fields, bases=(Record,), namespace={"__doc__": _class_doc(schema)}, frozen=True, kw_only=True
        )
        made.__module__ = "blender"  # how signatures name it
        self._records[id(schema)] = made
        return made

    def _resolve(self, reference: str) -> Schema:
        found: Any = self._root
        for step in reference.removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        return found  # type: ignore[no-any-return]


def _either(kinds: list[Any]) -> Any:
    """Return the union of types, written as ``str | None`` where Python can."""
    if any(isinstance(kind, str) for kind in kinds):
        return Union[tuple(kinds)]  # noqa: UP007 - a class inside itself is a name
    return functools.reduce(operator.or_, dict.fromkeys(kinds))


def _class_doc(schema: Schema) -> str:
    lines = [str(schema.get("description") or "What a tool returned.")]
    attributes = _attributes(schema["properties"])
    described = [
        (attributes[key], part["description"]) for key, part in schema["properties"].items() if part.get("description")
    ]
    if described:
        lines += ["", "Attributes:", *(f"    {attribute}: {words}" for attribute, words in described)]
    return "\n".join(lines)


def _name(text: str) -> str:
    """Return a class name made of a title."""
    name = _OTHER.sub("_", text).strip("_")
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Result_{name}"


def _attributes(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return, for each key, the attribute that stands for it; no two are the same."""
    attributes: dict[str, str] = {}
    for key in properties:
        name = _OTHER.sub("_", key)
        if not name.isidentifier():
            name = f"_{name}"
        while keyword.iskeyword(name) or hasattr(Record, name) or name in attributes.values():
            name = f"{name}_"
        attributes[key] = name
    return attributes


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
