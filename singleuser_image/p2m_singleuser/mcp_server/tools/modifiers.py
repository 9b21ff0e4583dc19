"""Change shapes without touching each vertex."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.models import KNOWS_NAMES, ObjectName, PlacedObject
from p2m_singleuser.mcp_server.toolset import EDITS, REPLACES, Toolset

tools = Toolset()

LONGEST_BOOLEAN_S = 170.0
"""Seconds that a boolean of large meshes may take."""


class Modifier(BaseModel):
    """A new modifier."""

    object: str = Field(description="Name of the object.")
    modifier: str = Field(description="Name of the modifier.")
    type: str = Field(description="Blender's type of modifier.")
    index: int = Field(description="Its place in the object's stack, from 0.")
    properties: dict[str, Any] = Field(
        description="The properties that were set, as Blender has them: lengths in metres, angles in radians."
    )
    object_modifiers: list[str] = Field(description="Names of all the object's modifiers, in order.")


class BooleanResult(BaseModel):
    """What a boolean left."""

    object: PlacedObject = Field(description="The object that changed.")
    cutter: Literal["hidden", "deleted", "kept"] = Field(description="What became of the cutter.")
    modifier: str | None = Field(description="Name of the modifier; null when it was applied.")
    vertices: int = Field(description="Vertices of the result (count).")
    polygons: int = Field(description="Faces of the result (count).")


@tools.tool(title="Add a modifier", annotations=EDITS)
async def add_modifier(
    ctx: BlenderContext,
    name: ObjectName,
    type: Annotated[
        str, Field(description="Blender's type of modifier, for instance BEVEL, SUBSURF, ARRAY, MIRROR, SOLIDIFY.")
    ],
    modifier_name: Annotated[
        str | None, Field(description="What to call it; by default as Blender calls the type.")
    ] = None,
    properties: Annotated[
        dict[str, Any],
        Field(
            description="Properties of bpy.types' modifier to set: lengths in metres, angles in radians, objects and "
            'collections by name. For instance {"width": 0.02, "segments": 3} for BEVEL.'
        ),
    ] = {},  # noqa: B006
) -> Modifier:
    """Add a modifier to the end of an object's stack and set its properties.

    A property or value that does not exist is refused with a list of what there is, and nothing is added.
    """
    answer = await ask(
        ctx,
        "add_modifier",
        hint="Nothing was added.",
        name=name,
        type=type,
        modifier_name=modifier_name,
        properties=properties,
    )
    return Modifier.model_validate(answer)


@tools.tool(title="Boolean", annotations=REPLACES)
async def boolean(
    ctx: BlenderContext,
    name: Annotated[str, Field(description="Name of the mesh object that changes.")],
    cutter: Annotated[str, Field(description="Name of the other mesh object; both should be closed.")],
    operation: Annotated[
        Literal["union", "difference", "intersect"],
        Field(description="union: both together; difference: object without cutter; intersect: what both share."),
    ] = "difference",
    apply: Annotated[
        bool,
        Field(description="True: the result becomes the object's mesh; false: a modifier that follows the cutter."),
    ] = True,
    after: Annotated[
        Literal["hide", "delete", "keep"],
        Field(description="The cutter afterwards: hidden in viewport and renders, deleted (with apply), or kept."),
    ] = "hide",
) -> BooleanResult:
    """Join, cut or intersect two meshes. If nothing would be left, nothing changes and the error says so."""
    answer = await ask(
        ctx,
        "boolean",
        deadline_s=LONGEST_BOOLEAN_S,
        hint=KNOWS_NAMES,
        name=name,
        cutter=cutter,
        operation=operation,
        apply=apply,
        after=after,
    )
    return BooleanResult.model_validate(answer)
