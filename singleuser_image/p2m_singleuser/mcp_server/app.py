"""Builds the MCP server: its instructions for agents, its tools, and the web application around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import INVALID_PARAMS, GetPromptResult, InputRequiredResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from p2m_singleuser.link import BlenderLink
from p2m_singleuser.mcp_server import MAX_REQUEST_BYTES, prompts, resources
from p2m_singleuser.mcp_server.listing import Listing
from p2m_singleuser.mcp_server.resumption import make_resumable
from p2m_singleuser.mcp_server.tools import (
    api,
    camera,
    check,
    code,
    files,
    history,
    look,
    materials,
    modifiers,
    objects,
    render,
    scene,
    state,
    world,
)

TOPICS = (scene, objects, modifiers, materials, world, code, look, render, files, history, check, api, state, camera)

LISTING = Listing({name: mode for topic in TOPICS for name, mode in topic.tools.needs.items()})
"""Which tools a client sees."""

ALLOWED_HOSTS = ["localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*"]
"""Host headers this server answers to: what the relay and the jupyter-server-proxy entry send over the socket."""

INSTRUCTIONS = """\
You control a real Blender that a person can see in their browser at the same time; their changes and yours are in \
one scene. Lengths are in metres (Blender units), angles in radians, Z points up.

Start with get_scene_info and look at the scene with look or get_viewport_screenshot. There are tools to make, move \
and shade objects, to render, to exchange files and to check meshes; use execute_blender_code for what no other tool \
does, and search_api to find out how. Checkpoints are made before each change: restore_checkpoint takes one back.

Work in small steps and look at the result after each. An error carries Blender's own message and the \
traceback of your code. "Blender is restarting" passes by itself: repeat the call after the seconds it names. \
get_blender_status says what keeps Blender, and restart_blender is the way out when it hangs."""


class _Server(MCPServer[BlenderLink]):
    """The SDK's server, except that who asks for a prompt wrongly hears what was wrong.

    The SDK (2.3) answers an unknown prompt or a missing argument with "Internal server error".
    """

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[BlenderLink, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            raise MCPError(INVALID_PARAMS, f"{error}. prompts/list tells the prompts and their arguments.") from error


def build_server(link: BlenderLink) -> MCPServer[BlenderLink]:
    """Return the MCP server with all tools.

    Args:
        link: Blender, as the tools reach it.
    """

    @asynccontextmanager
    async def lifespan(_: MCPServer[BlenderLink]) -> AsyncIterator[BlenderLink]:
        yield link

    server = _Server(
        name="p2m-blender",
        title="Blender",
        instructions=INSTRUCTIONS,
        version=_own_version(),
        lifespan=lifespan,
        log_level="WARNING",
        middleware=[LISTING],
    )
    for topic in TOPICS:
        topic.tools.register(server)
    resources.register(server, link)
    prompts.register(server)
    return server


def build_app(link: BlenderLink) -> Starlette:
    """Return the web application: ``/mcp`` (streamable HTTP, all protocol versions) and ``/status``."""
    server = build_server(link)

    @server.custom_route("/status", methods=["GET"])
    async def status(_: Request) -> JSONResponse:
        return JSONResponse({"num_tools": len(LISTING.names())})

    app = server.streamable_http_app(
        max_request_body_size=MAX_REQUEST_BYTES,
        transport_security=TransportSecuritySettings(allowed_hosts=ALLOWED_HOSTS),
    )
    make_resumable(server.session_manager)
    return app


def _own_version() -> str:
    try:
        return version("p2m-singleuser")
    except PackageNotFoundError:
        return "0"
