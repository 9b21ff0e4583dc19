"""The resources: the scene, its objects, a picture of the viewport, render jobs and the user's files, by address."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.server.mcpserver.resources import ResourceSecurity

from p2m_singleuser.home_files import URI_PREFIX, HomeFileError, HomeFiles
from p2m_singleuser.jobs import JobStore, NoSuchJob
from p2m_singleuser.link import BlenderError, BlenderLink, BlenderLinkError
from p2m_singleuser.mcp_server.renders import describe

SCENE_OBJECTS = 1000
"""Most objects in the scene's resource; the tool get_scene_info has pages."""

PICTURE_PIXELS = 1024
"""Longest side of the viewport's picture."""

_JSON = "application/json"
_ANY_NAME = ResourceSecurity(exempt_params={"name"})
"""Objects may be called anything, ``..`` too: their names are looked up in Blender and are no paths."""


def register(server: MCPServer[BlenderLink], link: BlenderLink) -> None:
    """Add the resources to a server.

    Args:
        server: The MCP server.
        link: Blender, as the resources reach it.
    """

    async def ask(command: str, **params: Any) -> Any:
        try:
            return await link.call(command, **params)
        except BlenderLinkError as error:
            raise ResourceError(str(error)) from error

    @server.resource("blender://scene", title="Scene", mime_type=_JSON)
    async def scene() -> str:
        """The current scene: its objects with types and positions in metres (the first 1000)."""
        return json.dumps(await ask("get_scene_info", limit=SCENE_OBJECTS))

    @server.resource("blender://objects/{name}", title="Object", mime_type=_JSON, security=_ANY_NAME)
    async def scene_object(name: str) -> str:
        """One object of the scene: position, rotation in radians, size in metres, materials, mesh."""
        try:
            return json.dumps(await link.call("get_object_info", name=name))
        except BlenderError as error:
            raise ResourceNotFoundError(f"{error} The resource blender://scene lists the names.") from error
        except BlenderLinkError as error:
            raise ResourceError(str(error)) from error

    @server.resource("blender://screenshot", title="Viewport", mime_type="image/png")
    async def screenshot() -> bytes:
        """A picture of the 3D viewport as the person sees it now."""
        answer = await ask("get_viewport_screenshot", max_size=PICTURE_PIXELS)
        return base64.b64decode(answer["image_base64"])

    @server.resource("blender://jobs/{id}", title="Render job", mime_type=_JSON)
    async def job(id: str) -> str:
        """A render job: state, progress from 0 to 1, frames, times; the tool list_jobs lists them."""
        store = JobStore()
        try:
            found = await asyncio.to_thread(store.get, id)
        except NoSuchJob as error:
            raise ResourceNotFoundError(str(error)) from error
        return describe(store, found).model_dump_json()

    async def file(path: str) -> bytes:
        """A file of the user's home, at most 8 MB; the tool list_files lists them."""
        try:
            return (await asyncio.to_thread(HomeFiles().read, path))[1]
        except HomeFileError as error:
            raise ResourceNotFoundError(str(error)) from error

    # RFC 6570: `{path}` is what a client fills in that writes `/` as %2F, `{+path}` for one that leaves it as it is.
    for variable in ("{path}", "{+path}"):
        server.resource(URI_PREFIX + variable, title="File", mime_type="application/octet-stream")(file)
