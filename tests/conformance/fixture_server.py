"""An MCP server with the tools, resources and prompts that the conformance suite asks for by name.

Made as our own server is made, with the same SDK; it does what our tools do not need (logging, sampling, elicitation,
subscriptions, streams that are resumed), so that the suite can try the relay in front of it with all of that.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    AudioContent,
    Completion,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field
from starlette.applications import Starlette

from p2m_singleuser.mcp_server import MAX_REQUEST_BYTES
from p2m_singleuser.mcp_server.app import ALLOWED_HOSTS
from p2m_singleuser.mcp_server.resumption import make_resumable

BETWEEN_S = 0.05
RECONNECT_MS = 100
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}
STATES = ["active", "inactive", "pending"]


class Contact(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field(default="active", json_schema_extra={"enum": STATES})
    verified: bool = True


def _titled(*values: str) -> list[dict[str, str]]:
    return [{"const": value, "title": value.title()} for value in values]


class Enumerations(BaseModel):
    untitledSingle: str = Field(json_schema_extra={"enum": STATES})
    titledSingle: str = Field(json_schema_extra={"oneOf": _titled("low", "high")})  # type: ignore[dict-item]
    legacyEnum: str = Field(json_schema_extra={"enum": ["s", "l"], "enumNames": ["Small", "Large"]})
    untitledMulti: list[str] = Field(json_schema_extra={"items": {"type": "string", "enum": STATES}})
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": _titled("bugs", "docs")}})  # type: ignore[dict-item]


def fixture_server() -> MCPServer[None]:
    """Return the server, to which others may add tools of their own."""
    server = MCPServer[None](name="fixtures", tools=[_schema_tool()], log_level="WARNING")
    for add in (_add_contents, _add_conversations, _add_questions, _add_resources, _add_prompts, _add_requests):
        add(server)
    return server


def fixture_app(server: MCPServer[None] | None = None) -> Starlette:
    """Return the web application, with its endpoint at ``/mcp``."""
    server = server or fixture_server()
    app = server.streamable_http_app(
        max_request_body_size=MAX_REQUEST_BYTES,
        retry_interval=RECONNECT_MS,
        transport_security=TransportSecuritySettings(allowed_hosts=ALLOWED_HOSTS),
    )
    make_resumable(server.session_manager)
    return app


def _schema_tool() -> Tool:
    def json_schema_2020_12_tool(name: str = "", address: dict[str, Any] | None = None) -> str:
        """Take what JSON Schema 2020-12 describes."""
        return name

    return Tool.from_function(json_schema_2020_12_tool).model_copy(update={"parameters": SCHEMA_2020_12})


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def _add_contents(server: MCPServer[None]) -> None:
    image = ImageContent(type="image", data=PNG, mime_type="image/png")

    @server.tool()
    def test_simple_text() -> str:
        """Return text."""
        return "This is a simple text response for testing."

    @server.tool()
    def test_image_content() -> list[ImageContent]:
        """Return a picture."""
        return [image]

    @server.tool()
    def test_audio_content() -> list[AudioContent]:
        """Return sound."""
        return [AudioContent(type="audio", data=WAV, mime_type="audio/wav")]

    @server.tool()
    def test_embedded_resource() -> list[EmbeddedResource]:
        """Return a resource."""
        return [_embedded("test://embedded-resource", "This is an embedded resource content.")]

    @server.tool()
    def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Return text, a picture and a resource."""
        data = json.dumps({"test": "data", "value": 123})
        text = TextContent(type="text", text="Multiple content types test:")
        return [text, image, _embedded("test://mixed-content-resource", data, "application/json")]

    @server.tool()
    def test_error_handling() -> str:
        """Fail."""
        raise RuntimeError("This tool intentionally returns an error for testing")


def _add_conversations(server: MCPServer[None]) -> None:
    @server.tool()
    async def test_tool_with_logging(ctx: Context[None, Any]) -> str:
        """Log while it works."""
        for what in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(what)
            await asyncio.sleep(BETWEEN_S)
        return "logged"

    @server.tool()
    async def test_tool_with_progress(ctx: Context[None, Any]) -> str:
        """Report progress."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await asyncio.sleep(BETWEEN_S)
        return "done"

    @server.tool()
    async def test_reconnection(ctx: Context[None, Any]) -> str:
        """End the stream, and go on."""
        await ctx.close_sse_stream()
        await asyncio.sleep(2 * RECONNECT_MS / 1000)
        return "Reconnection test completed"


def _add_questions(server: MCPServer[None]) -> None:
    async def ask(ctx: Context[None, Any], message: str, schema: type[BaseModel]) -> str:
        answer = await ctx.elicit(message, schema)
        content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
        return f"Elicitation completed: action={answer.action}, content={content}"

    @server.tool()
    async def test_sampling(prompt: str, ctx: Context[None, Any]) -> str:
        """Let the client's model answer."""
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        answer = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
        return f"LLM response: {answer.content.text}"

    @server.tool()
    async def test_elicitation(message: str, ctx: Context[None, Any]) -> str:
        """Ask the person."""
        return await ask(ctx, message, Contact)

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Context[None, Any]) -> str:
        """Ask the person, with defaults."""
        return await ask(ctx, "Who are you?", Defaults)

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Context[None, Any]) -> str:
        """Ask the person to choose."""
        return await ask(ctx, "Which?", Enumerations)


def _add_resources(server: MCPServer[None]) -> None:
    @server.resource("test://static-text", description="Text.", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", description="A picture.", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(PNG)

    @server.resource("test://watched-resource", description="What is watched.", mime_type="text/plain")
    def watched() -> str:
        return "Watched."

    @server.resource("test://template/{id}/data", description="Data by id.", mime_type="application/json")
    def template(id: str) -> str:
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _add_prompts(server: MCPServer[None]) -> None:
    @server.prompt(description="Without arguments.")
    def test_simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(description="With two arguments.")
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(description="With a resource in it.")
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
        resource = _embedded(resourceUri, "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    @server.prompt(description="With a picture in it.")
    def test_prompt_with_image() -> list[UserMessage]:
        image = ImageContent(type="image", data=PNG, mime_type="image/png")
        return [UserMessage(image), UserMessage("Please analyze the image above.")]


def _add_requests(server: MCPServer[None]) -> None:
    """Add what the SDK's server does not offer by itself."""

    async def accept(ctx: Any, params: Any) -> EmptyResult:
        return EmptyResult()

    @server.completion()
    async def complete(ref: Any, argument: Any, context: Any) -> Completion:
        return Completion(values=["paris", "park"], total=2, has_more=False)

    requests = server._lowlevel_server
    requests.add_request_handler("logging/setLevel", SetLevelRequestParams, accept)
    requests.add_request_handler("resources/subscribe", SubscribeRequestParams, accept)
    requests.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accept)
