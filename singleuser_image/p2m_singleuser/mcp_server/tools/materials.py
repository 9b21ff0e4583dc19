"""Colours, surfaces and textures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.models import COLOUR, KNOWS_NAMES, Colour, ObjectName, Vector
from p2m_singleuser.mcp_server.toolset import SETS, Toolset

tools = Toolset()

Slot = Annotated[int, Field(description="Material slot of the object, from 0; missing slots are made.", ge=0, le=63)]


class Surface(BaseModel):
    """The values of a principled shader."""

    base_color: Vector = Field(description="Red, green, blue, linear, from 0 to 1.")
    metallic: float | None = Field(description="0 (no metal) to 1 (metal).")
    roughness: float | None = Field(description="0 (mirror) to 1 (matt).")
    emission_color: Vector = Field(description="Red, green, blue of its own light, linear, from 0 to 1.")
    emission_strength: float | None = Field(description="Factor of its own light; 0 is none.")
    alpha: float | None = Field(description="0 (transparent) to 1 (opaque).")


class MaterialResult(BaseModel):
    """A material on objects."""

    material: str = Field(description="Name of the material; set_material takes it for other objects.")
    created: bool = Field(description="Whether it is new.")
    objects: list[str] = Field(description="Names of the objects that have it now.")
    slot: int = Field(description="Material slot that it is in, from 0.")
    values: Surface = Field(description="Its values, without units; a textured channel's value has no effect.")
    textured: list[str] = Field(description="Channels that a texture or another node feeds.")


class TextureResult(BaseModel):
    """An image on a material."""

    object: str = Field(description="Name of the object.")
    material: str = Field(description="Name of the material.")
    image: str = Field(description="Name of the image in Blender.")
    file: str = Field(description="The image's file, relative to the home.")
    size: tuple[int, int] = Field(description="Width and height of the image, in pixels.")
    channel: str = Field(description="What the image steers.")
    mapping: Literal["uv", "box"] = Field(
        description="uv: along the mesh's UV map; box: projected from six sides, as the object has no UV map."
    )


@tools.tool(title="Set a material", annotations=SETS)
async def set_material(
    ctx: BlenderContext,
    names: Annotated[list[str], Field(description="Names of objects, as list_objects gives them.", min_length=1)],
    material: Annotated[
        str | None,
        Field(
            description="Name of a material to reuse (it changes wherever it is used) or to create. Without it: the "
            "objects' own one, copied first if other objects use it, or a new one."
        ),
    ] = None,
    base_color: Annotated[Colour | None, Field(description=f"Colour: {COLOUR}.")] = None,
    metallic: Annotated[float | None, Field(description="0 (no metal) to 1 (metal).", ge=0, le=1)] = None,
    roughness: Annotated[float | None, Field(description="0 (mirror) to 1 (matt).", ge=0, le=1)] = None,
    emission_color: Annotated[Colour | None, Field(description=f"Colour of its own light: {COLOUR}.")] = None,
    emission_strength: Annotated[
        float | None, Field(description="Factor of its own light; 0 is none, 1 as bright as its colour.", ge=0)
    ] = None,
    alpha: Annotated[float | None, Field(description="0 (transparent) to 1 (opaque).", ge=0, le=1)] = None,
    slot: Slot = 0,
) -> MaterialResult:
    """Give objects a material with Blender's principled shader, or change the one they have.

    What is not given stays. A value given for a channel takes the place of a texture there.
    """
    answer = await ask(
        ctx,
        "set_material",
        hint=KNOWS_NAMES,
        names=names,
        material=material,
        slot=slot,
        base_color=base_color,
        metallic=metallic,
        roughness=roughness,
        emission_color=emission_color,
        emission_strength=emission_strength,
        alpha=alpha,
    )
    return MaterialResult.model_validate(answer)


@tools.tool(title="Set a texture", annotations=SETS)
async def set_texture(
    ctx: BlenderContext,
    name: ObjectName,
    file: Annotated[
        str, Field(description='Image in the user\'s home, relative to it, for instance "textures/oak.jpg".')
    ],
    channel: Annotated[
        Literal["base_color", "roughness", "metallic", "normal"],
        Field(description="What the image steers; normal is a tangent-space normal map."),
    ] = "base_color",
    repeat: Annotated[float, Field(description="How many times the image goes along each side (factor).", gt=0)] = 1.0,
    strength: Annotated[float, Field(description="Normal map: how strong it is (factor).", ge=0, le=10)] = 1.0,
    slot: Slot = 0,
) -> TextureResult:
    """Put an image file on an object's material.

    The material is made if there is none, and copied first if other objects use it. Call it once for each channel.
    """
    answer = await ask(
        ctx,
        "set_texture",
        hint="Nothing was changed.",
        name=name,
        file=file,
        channel=channel,
        slot=slot,
        repeat=repeat,
        strength=strength,
    )
    return TextureResult.model_validate(answer)
