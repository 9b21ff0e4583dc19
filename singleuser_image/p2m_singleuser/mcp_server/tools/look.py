"""See what Blender shows, and show the person something."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp_types import CallToolResult, ImageContent, TextContent
from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.toolset import READS, SETS, Toolset

tools = Toolset()

DRAWING_S = 120.0
"""Seconds a picture may take: materials and lights are rendered, and textures may have to be read first."""

View = Literal["user", "front", "back", "left", "right", "top", "bottom", "iso", "camera"]
Shading = Literal["solid", "material", "wireframe", "rendered"]

ShadingField = Annotated[
    Shading | None,
    Field(
        description="How it is drawn. solid and wireframe: at once, as the viewport shows objects. material: surfaces "
        "under an even light; rendered: with the scene's lights and world; both by Cycles, about 2 s for a picture, "
        "of the objects that renders show. Null: as the person's viewport."
    ),
]


class Sheet(BaseModel):
    """What is on a contact sheet."""

    views: list[View] = Field(description="The views, row by row from the top left; each carries its name.")
    columns: int = Field(description="Pictures in a row (count).")
    width: int = Field(description="Of the sheet, in pixels.")
    height: int = Field(description="Of the sheet, in pixels.")


class Focus(BaseModel):
    """Where the person looks now."""

    name: str = Field(description="The object in the middle of their view.")
    location: tuple[float, float, float] = Field(description="Middle of the view x, y, z in metres (Blender units).")
    distance: float = Field(description="From the viewer to it, in metres (Blender units).")
    selected: bool = Field(description="Whether the object has been selected.")


@tools.tool(title="Viewport screenshot", annotations=READS)
async def get_viewport_screenshot(
    ctx: BlenderContext,
    max_size: Annotated[
        int, Field(description="Longest side of the picture, in pixels; larger ones are scaled down.", ge=16, le=4096)
    ] = 800,
    view: Annotated[
        View,
        Field(
            description="user: the 3D viewport as the person has it. camera: through the scene's camera. The others "
            "look at all visible objects from one side, without perspective; the person's view does not move."
        ),
    ] = "user",
    shading: ShadingField = None,
    turn: Annotated[
        float | None,
        Field(
            description="Radians by which the viewer goes round the scene from that side, counter-clockwise seen from "
            "above; pictures that differ in it alone have one scale, as a turntable needs. Not for user and camera."
        ),
    ] = None,
) -> ImageContent:
    """Return a picture of the scene: the 3D viewport as the person sees it now, or another view.

    Look after each change that matters: a picture shows at once what numbers hide.
    """
    answer = await ask(
        ctx,
        "get_viewport_screenshot",
        deadline_s=DRAWING_S,
        hint="view='iso' needs no camera.",
        max_size=max_size,
        view=view,
        shading=shading,
        turn=turn,
    )
    return ImageContent(type="image", data=answer["image_base64"], mime_type=answer.get("mime_type", "image/png"))


@tools.tool(title="Look from several sides", annotations=READS)
async def look(
    ctx: BlenderContext,
    views: Annotated[
        list[View],
        Field(description="Which views, in this order; see get_viewport_screenshot.", min_length=1, max_length=9),
    ] = ["front", "right", "top", "iso"],  # noqa: B006 - read only
    max_size: Annotated[int, Field(description="Longest side of the sheet, in pixels.", ge=64, le=4096)] = 1200,
    shading: ShadingField = None,
) -> Annotated[CallToolResult, Sheet]:
    """Return one picture that shows the scene from several sides, each with its name in the corner.

    One look at the sides tells what a single view hides: what floats, what is inside something else, what is missing.
    """
    answer = await ask(
        ctx,
        "look",
        deadline_s=DRAWING_S,
        announce="Blender draws the views",
        hint="Leave 'camera' out, or add a camera.",
        views=views,
        max_size=max_size,
        shading=shading,
    )
    sheet = Sheet.model_validate(answer)
    picture = ImageContent(type="image", data=answer["image_base64"], mime_type=answer["mime_type"])
    text = TextContent(type="text", text=sheet.model_dump_json())
    return CallToolResult(content=[picture, text], structured_content=sheet.model_dump())


@tools.tool(title="Show the person an object", annotations=SETS)
async def focus_view(
    ctx: BlenderContext,
    name: Annotated[str, Field(description="The object's name, as get_scene_info lists it.")],
    select: Annotated[bool, Field(description="Also select it, and nothing else.")] = False,
) -> Focus:
    """Move the person's 3D viewport to an object, so that they see what you mean.

    The direction they look in stays. Use it when you point something out or ask about it, not while they work.
    """
    answer = await ask(
        ctx, "focus_view", name=name, select=select, hint="get_scene_info lists the names of all objects."
    )
    return Focus.model_validate(answer)
