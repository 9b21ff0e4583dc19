"""``python -m p2m_singleuser.mcp_server.describe``: print docs/tools.md, the reference of what the MCP server offers.

It is written from what the server tells clients, so it says what they read.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp_types import Prompt, Resource, ResourceTemplate, Tool, ToolAnnotations

from p2m_singleuser.link import BlenderLink
from p2m_singleuser.mcp_server.app import INSTRUCTIONS, TOPICS, build_server

INTRODUCTION = """\
# MCP tools

<!-- Written by `make tools`; do not edit. -->

What an agent can do with a person's Blender, as the MCP server tells it. The server's instructions to every agent:

> {instructions}

| tool | what |
|---|---|
{overview}
"""

Schema = Mapping[str, Any]


def main() -> None:
    """Print the reference."""
    print(asyncio.run(reference()), end="")


async def reference() -> str:
    """Return the reference as Markdown."""
    server = build_server(BlenderLink(Path("unused")))
    tools = {tool.name: tool for tool in await server.list_tools()}
    overview = "\n".join(f"| [`{tool.name}`](#{tool.name}) | {_cell(tool.title or '')} |" for tool in tools.values())
    parts = [INTRODUCTION.format(instructions=INSTRUCTIONS.replace("\n\n", "\n>\n> "), overview=overview)]
    for topic in TOPICS:
        parts.append(f"## {_first_line(topic)}\n")
        parts += [_tool(tools.pop(name)) for name in topic.tools.names if name in tools]
    if tools:
        raise RuntimeError(f"Tools that belong to no topic: {', '.join(tools)}")
    parts += [section async for section in _beyond_tools(server)]
    return "\n".join(parts)


async def _beyond_tools(server: MCPServer[BlenderLink]) -> AsyncIterator[str]:
    """Yield the sections on resources and prompts, if there are any."""
    resources: list[Resource | ResourceTemplate] = [
        *await server.list_resources(),
        *await server.list_resource_templates(),
    ]
    if resources:
        rows = [f"| `{_uri(one)}` | {one.mime_type or ''} | {_cell(one.description or '')} |" for one in resources]
        yield "\n".join(["## Resources\n", "| URI | type | what |", "|---|---|---|", *rows, ""])
    if prompts := await server.list_prompts():
        yield "\n".join(["## Prompts\n", *map(_prompt, prompts)])


def _uri(resource: Resource | ResourceTemplate) -> str:
    return resource.uri_template if isinstance(resource, ResourceTemplate) else str(resource.uri)


def _prompt(prompt: Prompt) -> str:
    lines = [f"### `{prompt.name}`\n", f"{inspect.cleandoc(prompt.description or '')}\n"]
    if prompt.arguments:
        lines += ["| argument | | meaning |", "|---|---|---|"]
        lines += [
            f"| `{argument.name}` | {'required' if argument.required else 'optional'} | "
            f"{_cell(argument.description or '')} |"
            for argument in prompt.arguments
        ]
        lines.append("")
    return "\n".join(lines)


def _tool(tool: Tool) -> str:
    lines = [f"### `{tool.name}`\n", f"**{tool.title}** · {_promises(tool.annotations)}\n"]
    lines.append(f"{inspect.cleandoc(tool.description or '')}\n")
    if parameters := list(_parameters(tool.input_schema)):
        lines += ["| parameter | type | default | meaning |", "|---|---|---|---|", *parameters, ""]
    else:
        lines.append("No parameters.\n")
    if tool.output_schema is None:
        lines.append("Result: content to look at or read, no structured data.\n")
    else:
        lines += ["| result | type | meaning |", "|---|---|---|", *_results(tool.output_schema), ""]
    return "\n".join(lines)


def _promises(annotations: ToolAnnotations | None) -> str:
    """Return what annotations say to clients, in words."""
    if annotations is None:
        return "promises nothing"
    if annotations.read_only_hint:
        words = ["only looks"]
    else:
        words = ["may delete or overwrite" if annotations.destructive_hint else "changes, deletes nothing"]
        words.append(
            "calling again changes nothing more" if annotations.idempotent_hint else "calling again does it again"
        )
    if annotations.open_world_hint:
        words.append("may reach beyond Blender")
    return ", ".join(words)


def _parameters(schema: Schema) -> Iterator[str]:
    required = schema.get("required", [])
    for path, field in _fields(schema, schema):
        default = "**required**" if path in required else _default(field)
        yield f"| `{path}` | {_cell(_type(field, schema))} | {default} | {_cell(field.get('description', ''))} |"


def _default(field: Schema) -> str:
    return f"`{_json(field['default'])}`" if "default" in field else ""


def _results(schema: Schema) -> Iterator[str]:
    for path, field in _fields(schema, schema):
        yield f"| `{path}` | {_cell(_type(field, schema))} | {_cell(field.get('description', ''))} |"


def _fields(
    schema: Schema, root: Schema, prefix: str = "", inside: tuple[str, ...] = ()
) -> Iterator[tuple[str, Schema]]:
    """Yield each property with its path: ``objects``, then ``objects[].name`` for what is in it."""
    for name, field in schema.get("properties", {}).items():
        yield f"{prefix}{name}", field
        for suffix, reference, below in _objects_in(field, root):
            if reference not in inside:  # a tree's nodes hold nodes
                yield from _fields(below, root, f"{prefix}{name}{suffix}.", (*inside, reference))


def _objects_in(field: Schema, root: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Yield the objects with properties that a field holds: where, under which name, and their schema."""
    if "$ref" in field:
        reference = str(field["$ref"])
        yield "", reference, _resolve(reference, root)
    for option in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _objects_in(option, root)
    for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(field.get(key), Mapping):
            for deeper, reference, below in _objects_in(field[key], root):
                yield suffix + deeper, reference, below


def _type(field: Schema, root: Schema) -> str:
    """Return a schema's type in a few words, with its limits."""
    if "$ref" in field:
        return _type({"type": "object", **_resolve(str(field["$ref"]), root)}, root)
    if options := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(option, root) for option in options))
    if "const" in field:
        return _json(field["const"])
    if "enum" in field:
        return " or ".join(_json(value) for value in field["enum"])
    if field.get("type") == "array":
        return _array(field, root)
    words = str(field.get("type", "any"))
    return f"{words} {limits}" if (limits := _limits(field)) else words


def _array(field: Schema, root: Schema) -> str:
    if "prefixItems" in field:
        items = [_type(item, root) for item in field["prefixItems"]]
        same = items if len(set(items)) > 1 else [f"{len(items)} × {items[0]}"]
        return f"[{', '.join(same)}]"
    low, high = field.get("minItems"), field.get("maxItems")
    words = f"list of {_type(field.get('items', {}), root)}"
    if low is None and high is None:
        return words
    if high is None:
        return f"{words} (at least {low})"
    return f"{words} ({high if low == high else f'{low or 0} to {high}'})"


def _limits(field: Schema) -> str:
    low = field.get("minimum", field.get("minLength"))
    high = field.get("maximum", field.get("maxLength"))
    above, below = field.get("exclusiveMinimum"), field.get("exclusiveMaximum")
    words = []
    if above is not None:
        words.append(f"above {above:g}")
    if low is not None and high is not None:
        words.append(f"{low:g} to {high:g}")
    elif low is not None:
        words.append(f"from {low:g}")
    elif high is not None:
        words.append(f"up to {high:g}")
    if below is not None:
        words.append(f"below {below:g}")
    if "minLength" in field or "maxLength" in field:
        words.append("characters")
    return " ".join(words)


def _resolve(reference: str, root: Schema) -> Schema:
    found: Schema = root["$defs"][reference.rsplit("/", 1)[-1]]
    return found


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _first_line(topic: Any) -> str:
    return inspect.cleandoc(topic.__doc__ or "").splitlines()[0].rstrip(".")


def _cell(text: str) -> str:
    """Return text that stays in its cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
