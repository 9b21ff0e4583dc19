"""The OpenAPI 3.1 document of the REST API, made from the table of calls and the models. Pure."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from p2m_spawner.gateway.rest.calls import Answer, Call
from p2m_spawner.gateway.rest.models import Problem

REFERENCE = "#/components/schemas/{model}"

EVERYWHERE = (
    Answer(400, "The request cannot be read.", Problem),
    Answer(403, "A foreign `Host` or `Origin`, or a token that may not do this.", Problem),
    Answer(413, "The body is too large.", Problem),
    Answer(422, "A field is missing or has a wrong form (`invalid_request`).", Problem),
    Answer(503, "The hub or the database does not answer; `Retry-After` says when to try again.", Problem),
)
"""What any call may answer."""

UNAUTHENTICATED = Answer(401, "No token, or one that is not accepted; see `WWW-Authenticate`.", Problem)


def document(calls: Sequence[Call], prefix: str, version: str) -> dict[str, Any]:
    """Make the document.

    Args:
        calls: The table.
        prefix: Path of the gateway.
        version: Of p2m-spawner.
    """
    models: dict[str, type[BaseModel]] = {Problem.__name__: Problem}
    for call in calls:
        for model in (call.body, *(answer.model for answer in call.answers)):
            if model is not None:
                models[model.__name__] = model
    _, schemas = models_json_schema(
        [(model, "validation" if _is_body(model, calls) else "serialization") for model in models.values()],
        ref_template=REFERENCE,
    )
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(f"{prefix}{call.path}", {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": "p2m gateway", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A JWT of `auth/login`, or a JupyterHub token.",
                }
            },
        },
    }


DESCRIPTION = (
    "Accounts, tokens and servers of this hub. Tokens go into the header `Authorization: Bearer TOKEN` and nowhere "
    'else. Every error is `{"error": code, "message": sentence}`.'
)


def _is_body(model: type[BaseModel], calls: Sequence[Call]) -> bool:
    return any(call.body is model for call in calls)


def _operation(call: Call) -> dict[str, Any]:
    answers = {answer.status: answer for answer in EVERYWHERE}
    if call.who != "anybody":
        answers[401] = UNAUTHENTICATED
    answers |= {answer.status: answer for answer in call.answers}
    operation: dict[str, Any] = {
        "operationId": call.path.replace("/", "_").replace("-", "_"),
        "tags": [call.path.partition("/")[0]],
        "summary": call.summary,
        "responses": {str(status): _response(answers[status]) for status in sorted(answers)},
    }
    if call.who != "anybody":
        operation["security"] = [{"bearer": []}]
    if call.body:
        schema = {"$ref": REFERENCE.format(model=call.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if call.query:
        operation["parameters"] = _parameters(call.query)
    return operation


def _response(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.description}
    if answer.model:
        schema = {"$ref": REFERENCE.format(model=answer.model.__name__)}
        response["content"] = {"application/json": {"schema": schema}}
    return response


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": field.pop("description", ""),
            "schema": _without_null({key: value for key, value in field.items() if key != "title"}),
        }
        for name, field in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out; a query has no null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema
