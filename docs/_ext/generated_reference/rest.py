"""Reference of the REST API, from the OpenAPI document that the gateway serves.

Not sphinxcontrib-openapi: it writes for sphinxcontrib-httpdomain and brings four packages more, where a
reader wants two tables a call and one a body.
"""

from typing import Any

from p2m_spawner.gateway.rest.openapi import EVERYWHERE, document
from p2m_spawner.gateway.rest.table import calls

from .markdown import code, table

PREFIX = "/services/p2m/"

Json = dict[str, Any]


def calls_reference() -> str:
    """A section a call: what it takes, what it answers."""
    parts = []
    for path, operations in _document()["paths"].items():
        for method, operation in operations.items():
            parts.append(_call(method.upper(), path, operation))
    return "\n".join(parts)


def models_reference() -> str:
    """A table of fields for each body and answer."""
    schemas = _document()["components"]["schemas"]
    return "\n".join(f"### {name}\n\n{_model(schema)}" for name, schema in sorted(schemas.items()))


def _document() -> Json:
    return document(calls(), PREFIX, "")


def _call(method: str, path: str, operation: Json) -> str:
    parts = [f"### `{method} {path.removeprefix(PREFIX)}`\n", f"{operation['summary']}.\n"]
    parts.append("Needs a token.\n" if "security" in operation else "Needs no token.\n")
    if body := operation.get("requestBody"):
        parts.append(f"Takes {_schema(body['content']['application/json']['schema'])} as JSON.\n")
    if parameters := operation.get("parameters"):
        rows = [
            [code(one["name"]), _schema(one["schema"]), _default(one["schema"]), one["description"]]
            for one in parameters
        ]
        parts.append(table(["query", "type", "default", "meaning"], rows))
    everywhere = {str(answer.status): answer.description for answer in EVERYWHERE}
    rows = [
        [code(status), _body(response), response["description"]]
        for status, response in operation["responses"].items()
        if everywhere.get(status) != response["description"]
    ]
    parts.append(table(["status", "body", "when"], rows))
    return "\n".join(parts)


def _body(response: Json) -> str:
    content = response.get("content")
    return _schema(content["application/json"]["schema"]) if content else "–"


def _model(schema: Json) -> str:
    if "properties" not in schema:
        return f"{schema.get('description', '')} {_schema(schema)}\n"
    required = schema.get("required", [])
    rows = [
        [code(name), _schema(field), "yes" if name in required else _default(field), field.get("description", "")]
        for name, field in schema["properties"].items()
    ]
    description = schema.get("description", "")
    return f"{description}\n\n" + table(["field", "type", "always there, or default", "meaning"], rows)


def _default(schema: Json) -> str:
    default = schema.get("default")
    return "–" if default is None else code(str(default).lower() if isinstance(default, bool) else default)


def _schema(schema: Json) -> str:
    """A JSON schema in a few words; a model as a link to its section."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_schema(choice) for choice in choices)
    if "const" in schema:
        return code(f'"{schema["const"]}"')
    if values := schema.get("enum"):
        return ", ".join(code(f'"{value}"') for value in values)
    if schema.get("type") == "array":
        return f"list of {_schema(schema['items'])}"
    kind = schema.get("format") or schema.get("type", "anything")
    return f"{kind}{_limits(schema)}"


def _limits(schema: Json) -> str:
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", from {low}"
    return "" if high is None else f", up to {high}"
