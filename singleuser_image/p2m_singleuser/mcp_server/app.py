"""Builds the MCP server: its instructions for agents, its tools, and the web application around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from p2m_singleuser.link import BlenderLink
from p2m_singleuser.mcp_server import MAX_REQUEST_BYTES, prompts, resources
from p2m_singleuser.mcp_server.tools import api, check, code, files, look, scene, state

TOPICS = (scene, look, files, check, api, code, state)

ALLOWED_HOSTS = ["localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*"]
"""Host headers this server answers to: what the relay and the jupyter-server-proxy entry send over the socket."""

INSTRUCTIONS = """\
You control a real Blender that a person can see in their browser at the same time; their changes and yours are in \
one scene. Lengths are in metres (Blender units), angles in radians, Z points up.

Start with get_scene_info, look with get_viewport_screenshot, and use execute_blender_code for what no other tool \
does. Work in small steps and look at the result after each. An error carries Blender's own message and the \
traceback of your code. "Blender is restarting" passes by itself: repeat the call after the seconds it names. \
get_blender_status says what keeps Blender, and restart_blender is the way out when it hangs."""


def build_server(link: BlenderLink) -> MCPServer[BlenderLink]:
    """Return the MCP server with all tools.

    Args:
        link: Blender, as the tools reach it.
    """

    @asynccontextmanager
    async def lifespan(_: MCPServer[BlenderLink]) -> AsyncIterator[BlenderLink]:
        yield link

    server = MCPServer[BlenderLink](
        name="p2m-blender",
        title="Blender",
        instructions=INSTRUCTIONS,
        version=_own_version(),
        lifespan=lifespan,
        log_level="WARNING",
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
        return JSONResponse({"num_tools": len(await server.list_tools())})

    return server.streamable_http_app(
        max_request_body_size=MAX_REQUEST_BYTES,
        transport_security=TransportSecuritySettings(allowed_hosts=ALLOWED_HOSTS),
    )


def _own_version() -> str:
    try:
        return version("p2m-singleuser")
    except PackageNotFoundError:
        return "0"
