"""What Python sees of a tool: signature and docstring made from its JSON schema."""

from __future__ import annotations

import base64
import inspect
import textwrap
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol, get_args

from mcp_types import BlobResourceContents, CallToolResult, EmbeddedResource, ImageContent, TextContent, Tool
from pydantic_core import PydanticSerializationError, to_jsonable_python

from p2m_singleuser.notebook import steps
from p2m_singleuser.notebook.errors import BlenderProblem, WrongCall
from p2m_singleuser.notebook.pictures import File, Picture
from p2m_singleuser.notebook.records import Record, Types
from p2m_singleuser.notebook.steps import Step

_WIDTH = 100
_PLACE = inspect.Parameter.POSITIONAL_OR_KEYWORD


class Method(Protocol):
    """What becomes a method of both clients."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def title(self) -> str:
        """Return what a progress bar calls it."""

    @property
    def signature(self) -> inspect.Signature:
        """Return its parameters, the required ones first, and what it returns."""

    @property
    def doc(self) -> str:
        """Return its docstring."""

    def steps(self, *args: Any, **kwargs: Any) -> Generator[Step, Any, Any]:
        """Return the calls that it consists of."""


class ToolMethod:
    """One tool as a method.

    Args:
        tool: What the server says of it.
    """

    def __init__(self, tool: Tool) -> None:
        self.name = tool.name
        self.title = tool.title or tool.name
        self.only_reads = tool.annotations is not None and tool.annotations.read_only_hint is True
        self._result_schema: Mapping[str, Any] | None = tool.output_schema
        self._result_name = f"{tool.name.title().replace('_', '')}Result"
        self._result_types = Types(tool.output_schema or {})
        self.signature = _signature(tool.input_schema, self._result_type())
        self.doc = _doc(tool)

    def steps(self, *args: Any, **kwargs: Any) -> Generator[Step, Any, Any]:
        """Yield the one call.

        Raises:
            WrongCall: The arguments do not fit the signature.
            BlenderProblem: One of them is nothing that JSON can say.
        """
        return (yield Step(self.name, self.arguments(*args, **kwargs)))

    def arguments(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return a call's arguments as the tool takes them; what the caller left out is left to the server.

        Raises:
            WrongCall: They do not fit the signature.
            BlenderProblem: One of them is nothing that JSON can say.
        """
        try:
            given = self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            takes = ", ".join(self.signature.parameters) or "none"
            raise WrongCall(f"{self.name}(): {error}. Its parameters: {takes}.") from None
        return {name: _jsonable(name, value) for name, value in given.items()}

    def read(self, result: CallToolResult) -> Any:
        """Return what the tool returned: an object with its facts (and picture), or else what it gave to look at."""
        parts = [content_of(part) for part in result.content]
        if result.structured_content is None or self._result_schema is None:
            return parts[0] if len(parts) == 1 else parts
        value = self._result_types.read(self._result_schema, result.structured_content, self._result_name)
        picture = next((part for part in parts if isinstance(part, Picture)), None)
        if picture is not None and isinstance(value, Record):
            object.__setattr__(value, "picture", picture)  # frozen for users, not while it is made
        return value

    def _result_type(self) -> Any:
        if self._result_schema is None:
            return Picture | File | str
        return self._result_types.of(self._result_schema, self._result_name)


class SeveralSteps:
    """A method that is made of several calls.

    Args:
        function: Yields them; see `steps`.
    """

    def __init__(self, function: Callable[..., Generator[Step, Any, Any]]) -> None:
        self.name = function.__name__
        self.title = self.name.capitalize()
        self.doc = inspect.cleandoc(function.__doc__ or "")
        self.steps = function
        signature = inspect.signature(function, eval_str=True)
        self.signature = signature.replace(return_annotation=get_args(signature.return_annotation)[2])


def own_methods() -> list[SeveralSteps]:
    """Return the methods that are no single tool's."""
    return [SeveralSteps(steps.view), SeveralSteps(steps.turntable)]


def as_function(method: Method, function: Any) -> Any:
    """Dress a function ``(self, *args, **kwargs)`` up as a method and return it."""
    function.__name__ = method.name
    function.__qualname__ = f"Blender.{method.name}"
    function.__doc__ = method.doc
    function.__signature__ = method.signature.replace(
        parameters=[inspect.Parameter("self", _PLACE), *method.signature.parameters.values()]
    )
    function.__annotations__ = {
        **{parameter.name: parameter.annotation for parameter in method.signature.parameters.values()},
        "return": method.signature.return_annotation,
    }
    return function


def content_of(part: Any) -> Any:
    """Return one part of a tool's result: text as str, a picture as `Picture`, a resource as `File`."""
    if isinstance(part, TextContent):
        return part.text
    if isinstance(part, ImageContent):
        return Picture(base64.b64decode(part.data), part.mime_type)
    if isinstance(part, EmbeddedResource):
        resource = part.resource
        name = str(resource.uri).rpartition("/")[2]
        kind = resource.mime_type or "application/octet-stream"
        if isinstance(resource, BlobResourceContents):
            return File(base64.b64decode(resource.blob), kind, name)
        return File(resource.text.encode(), kind, name)
    return part


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
    }
    options = [part, *part.get("anyOf", ())]
    words = [f"{word} {option[key]:g}" for option in options for key, word in names.items() if key in option]
    words += [
        f"{option['minItems']} items" for option in options if option.get("minItems") == option.get("maxItems", 0)
    ]
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
