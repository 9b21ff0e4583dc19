"""Aim the camera."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.models import KNOWS_NAMES, PlacedObject
from p2m_singleuser.mcp_server.toolset import SETS, Toolset

tools = Toolset()


class CameraResult(BaseModel):
    """Where the camera is."""

    camera: PlacedObject = Field(description="The camera, which is the scene's now.")
    created: bool = Field(description="Whether it is new.")
    framed: int = Field(description="Objects that it was aimed at (count).")
    lens: float | None = Field(description="Focal length in millimetres.")
    distance: float | None = Field(description="From the camera to the middle of the objects, in metres.")


@tools.tool(title="Frame with the camera", annotations=SETS)
async def frame_camera(
    ctx: BlenderContext,
    names: Annotated[
        list[str] | None,
        Field(
            description="Names of the objects to show; by default all visible ones that a render shows.", min_length=1
        ),
    ] = None,
    camera: Annotated[
        str | None, Field(description="Name of the camera; by default the scene's, or a new one if it has none.")
    ] = None,
    view: Annotated[
        Literal["keep", "front", "back", "right", "left", "top", "bottom", "iso"] | None,
        Field(
            description="Side it looks from; iso is front right from above; keep is its present direction. By default "
            "keep, and iso for a new camera."
        ),
    ] = None,
    margin: Annotated[
        float, Field(description="Room around the objects, as a share of their size.", ge=0, le=10)
    ] = 0.1,
) -> CameraResult:
    """Put the camera so that the objects fill its picture, and make it the camera that renders.

    Its lens, the picture's shape and an orthographic camera are taken into account.
    """
    answer = await ask(ctx, "frame_camera", hint=KNOWS_NAMES, names=names, camera=camera, view=view, margin=margin)
    return CameraResult.model_validate(answer)
