"""Types and objects made from JSON schemas."""

import dataclasses
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_singleuser.link import BlenderLink
from p2m_singleuser.mcp_server.app import build_server
from p2m_singleuser.notebook import tables
from p2m_singleuser.notebook.methods import ToolMethod
from p2m_singleuser.notebook.records import Record, Types

OBJECT = {
    "type": "object",
    "title": "Thing",
    "properties": {"name": {"type": "string"}, "place": {"prefixItems": [{"type": "number"}] * 3, "type": "array"}},
    "required": ["name", "place"],
}
SCENE = {
    "$defs": {"Thing": OBJECT},
    "type": "object",
    "title": "Scene",
    "properties": {
        "name": {"type": "string", "description": "What it is called."},
        "things": {"type": "array", "items": {"$ref": "#/$defs/Thing"}},
        "camera": {"anyOf": [{"$ref": "#/$defs/Thing"}, {"type": "null"}]},
        "by_name": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Thing"}},
        "class": {"type": "integer"},
    },
}
THING = {"name": "a", "place": [1, 2.5, 3]}


def test_a_result_has_attributes_down_to_its_leaves() -> None:
    types = Types(SCENE)
    made = types.read(SCENE, {"name": "S", "things": [THING], "camera": THING, "by_name": {"x": THING}, "class": 3})
    assert (made.name, made.things[0].name, made.things[0].place) == ("S", "a", (1, 2.5, 3))
    assert made.camera == made.by_name["x"] == made.things[0]
    assert made.class_ == 3
    assert isinstance(made, types.of(SCENE))
    assert "name: What it is called." in (type(made).__doc__ or "")


def test_what_is_missing_is_none() -> None:
    made = Types(SCENE).read(SCENE, {"name": "S"})
    assert (made.things, made.camera) == (None, None)


def test_a_result_cannot_be_changed() -> None:
    made = Types(OBJECT).read(OBJECT, THING)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "b"


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, str),
        ({"type": ["integer", "null"]}, int | None),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, float | str),
        ({"enum": ["a", "b"]}, Literal["a", "b"]),
        ({"const": 4}, Literal[4]),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, list[list[float]]),
        ({"type": "array"}, list[Any]),
        ({"type": "array", "prefixItems": [{"type": "integer"}] * 2}, tuple[int, int]),
        ({"type": "object"}, dict[str, Any]),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, dict[str, bool]),
        ({}, Any),
    ],
)
def test_types_are_those_of_python(schema: dict[str, Any], kind: Any) -> None:
    assert Types(schema).of(schema) == kind


def test_a_class_may_hold_itself() -> None:
    node = {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}
    schema = {"$defs": {"Node": node}, "$ref": "#/$defs/Node"}
    made = Types(schema).read(schema, {"below": [{"below": []}]})
    assert isinstance(made.below[0], type(made))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def schema_of(value: Any) -> dict[str, Any]:
    """A schema that a value fits."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: schema_of(item) for key, item in value.items()}}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0]) if value else {}}
    return {}


@given(value=JSON, other=JSON)
def test_whatever_comes_is_read_and_shown(value: Any, other: Any) -> None:
    schema = {"type": "object", "properties": {"a": schema_of(value), "b": schema_of(other)}}
    made = Types(schema).read(schema, {"a": other, "b": value})  # even if the server breaks its promise
    assert isinstance(made, Record)
    shown = made._repr_mimebundle_()
    assert shown["text/plain"] == str(made)
    assert tables.html(made.as_dict()) == shown["text/html"]


@given(name=st.text(), value=st.text())
def test_a_table_escapes_all_it_shows(name: str, value: str) -> None:
    rows = [{name: value}]
    for shown in (tables.html({name: value}), tables.html({"rows": rows})):
        bare = shown.replace('<th style="text-align: left">', "").replace('<td style="text-align: left">', "")
        for tag in ("div", "table", "thead", "tbody", "tr", "th", "td", "p", "b"):
            bare = bare.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
        assert "<" not in bare


def test_a_text_table_has_its_columns_below_each_other() -> None:
    shown = tables.text({"name": "Scene", "things": [{"name": "Cube", "x": 1.0}, {"name": "A longer one", "x": None}]})
    assert shown.splitlines() == [
        "name  Scene",
        "",
        "things (2)",
        "name          x",
        "Cube          1",
        "A longer one  –",
    ]


async def test_every_tool_becomes_a_method_with_real_types() -> None:
    tools = await build_server(BlenderLink(Path("unused"))).list_tools()
    assert len(tools) > 30
    for tool in tools:
        method = ToolMethod(tool)
        optional = [parameter.default is not parameter.empty for parameter in method.signature.parameters.values()]
        assert optional == sorted(optional), tool.name
        assert set(method.signature.parameters) == set(tool.input_schema.get("properties", {}))
        if tool.output_schema is not None:
            assert issubclass(method.signature.return_annotation, Record)
        for name in method.signature.parameters:
            assert f"\n    {name}: " in method.doc
    create = {tool.name: ToolMethod(tool) for tool in tools}["create_object"]
    parameters = create.signature.parameters
    assert "monkey" in get_args(parameters["type"].annotation)
    assert (parameters["location"].annotation, parameters["location"].default) == (list[float], [0, 0, 0])
    assert parameters["name"].annotation == str | None
