"""What surrounds the scene."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.models import COLOUR, Colour, Vector
from p2m_singleuser.mcp_server.toolset import SETS, Toolset

tools = Toolset()


class WorldResult(BaseModel):
    """The scene's world."""

    world: str = Field(description="Name of the world.")
    color: Vector = Field(description="Red, green, blue, linear, from 0 to 1; without effect under a panorama.")
    strength: float | None = Field(description="Factor of its light.")
    file: str | None = Field(description="File of the panorama, relative to the home; null when it is a colour.")
    size: tuple[int, int] | None = Field(description="Width and height of the panorama in pixels; null without one.")
    rotation: float | None = Field(description="How far the panorama is turned about z, in radians.")


@tools.tool(title="Set the world", annotations=SETS)
async def set_world(
    ctx: BlenderContext,
    color: Annotated[
        Colour | None, Field(description=f"Colour of the surroundings: {COLOUR}. Takes the place of a panorama.")
    ] = None,
    strength: Annotated[float | None, Field(description="Factor of its light; 0 is dark, 1 usual.", ge=0)] = None,
    file: Annotated[
        str | None,
        Field(
            description="Panorama (HDRI: .hdr, .exr, or a picture) in the user's home, relative to it, for instance "
            '"skies/noon.hdr".'
        ),
    ] = None,
    rotation: Annotated[float | None, Field(description="Turns the panorama about z, in radians.")] = None,
) -> WorldResult:
    """Set the background and ambient light: a colour or a panorama, its strength and direction. The rest stays."""
    answer = await ask(
        ctx, "set_world", hint="Nothing was changed.", color=color, strength=strength, file=file, rotation=rotation
    )
    return WorldResult.model_validate(answer)
