"""What Python sees of a tool: signature and docstring made from its JSON schema."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

from mcp_types import Tool
from pydantic_core import PydanticSerializationError, to_jsonable_python

from p2m_singleuser.notebook.errors import BlenderProblem
from p2m_singleuser.notebook.pictures import File, Picture
from p2m_singleuser.notebook.records import Types

_WIDTH = 100
_PLACE = inspect.Parameter.POSITIONAL_OR_KEYWORD


class ToolMethod:
    """One tool as a method.

    Attributes:
        tool: What the server says of it.
        signature: Its parameters, the required ones first, and what it returns.
        doc: Its docstring.

    Args:
        tool: What the server says of it.
    """

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self._result_schema: Mapping[str, Any] | None = tool.output_schema
        self._result_types = Types(tool.output_schema or {})
        self.signature = _signature(tool.input_schema, self._result_type())
        self.doc = _doc(tool)

    def arguments(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return a call's arguments as the tool takes them; what the caller left out is left to the server.

        Raises:
            TypeError: They do not fit the signature.
            BlenderProblem: One of them is nothing that JSON can say.
        """
        given = self.signature.bind(*args, **kwargs).arguments
        return {name: _jsonable(name, value) for name, value in given.items()}

    def read(self, structured: Any) -> Any:
        """Return structured content as an object of the result's type."""
        return self._result_types.read(self._result_schema or {}, structured, self._result_name())

    def _result_type(self) -> Any:
        if self._result_schema is None:
            return Picture | File | str
        return self._result_types.of(self._result_schema, self._result_name())

    def _result_name(self) -> str:
        return f"{self.tool.name.title().replace('_', '')}Result"


def as_method(method: ToolMethod, call: Any) -> Any:
    """Dress a function ``(self, *args, **kwargs)`` up as the tool's method and return it."""
    name = method.tool.name
    call.__name__ = name
    call.__qualname__ = f"Blender.{name}"
    call.__doc__ = method.doc
    call.__signature__ = method.signature.replace(
        parameters=[inspect.Parameter("self", _PLACE), *method.signature.parameters.values()]
    )
    call.__annotations__ = {
        **{parameter.name: parameter.annotation for parameter in method.signature.parameters.values()},
        "return": method.signature.return_annotation,
    }
    return call


def _signature(schema: Mapping[str, Any], returns: Any) -> inspect.Signature:
    types = Types(schema)
    required = set(schema.get("required", ()))
    parameters = []
    for name, part in schema.get("properties", {}).items():
        default = inspect.Parameter.empty if name in required else part.get("default")
        parameters.append(inspect.Parameter(name, _PLACE, default=default, annotation=types.of(part, name)))
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    return inspect.Signature(parameters, return_annotation=returns)


def _doc(tool: Tool) -> str:
    described = inspect.cleandoc(tool.description or tool.title or "")
    lines = [described]
    properties = tool.input_schema.get("properties", {})
    if properties:
        lines += ["", "Args:"]
        lines += [_entry(name, f"{part.get('description', '')} {_limits(part)}") for name, part in properties.items()]
    fields = (tool.output_schema or {}).get("properties", {})
    if fields:
        lines += ["", "Returns:", "    An object with:"]
        lines += [textwrap.indent(_entry(name, part.get("description", "")), "    ") for name, part in fields.items()]
    return "\n".join(lines)


def _entry(name: str, words: str) -> str:
    return textwrap.fill(
        f"{name}: {' '.join(words.split())}", _WIDTH, initial_indent="    ", subsequent_indent="        "
    )


def _limits(part: Mapping[str, Any]) -> str:
    """Return a parameter's limits in parentheses."""
    names = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
        "minItems": "items from",
        "maxItems": "items up to",
    }
    options = [part, *part.get("anyOf", ())]
    words = [f"{word} {option[key]:g}" for option in options for key, word in names.items() if key in option]
    return f"({', '.join(words)})" if words else ""


def _jsonable(name: str, value: Any) -> Any:
    try:
        return to_jsonable_python(value, fallback=_number_like, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise BlenderProblem(
            f"{name} is a {type(value).__name__}, which JSON cannot say. Pass numbers, text, true or false, lists and "
            "dictionaries."
        ) from error


def _number_like(value: Any) -> Any:
    """Return a number or array of numpy and its like as plain numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")
