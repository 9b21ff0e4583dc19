"""See what Blender shows."""

from __future__ import annotations

from typing import Annotated

from mcp_types import ImageContent
from pydantic import Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.toolset import READS, Toolset

tools = Toolset()


@tools.tool(title="Viewport screenshot", annotations=READS)
async def get_viewport_screenshot(
    ctx: BlenderContext,
    max_size: Annotated[
        int, Field(description="Longest side of the picture, in pixels; larger ones are scaled down.", ge=16, le=4096)
    ] = 800,
) -> ImageContent:
    """Return a picture of the 3D viewport as the person sees it now.

    Look after each change that matters: a picture shows at once what numbers hide.
    """
    answer = await ask(ctx, "get_viewport_screenshot", max_size=max_size)
    return ImageContent(type="image", data=answer["image_base64"], mime_type=answer.get("mime_type", "image/png"))
