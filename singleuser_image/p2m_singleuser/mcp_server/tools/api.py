"""Blender's Python API, described by the Blender that runs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.toolset import READS, Toolset

tools = Toolset()


class ApiEntry(BaseModel):
    """One result of a search."""

    path: str = Field(description="Full name; describe_api takes it.")
    kind: str = Field(description="operator, type, property or function.")
    description: str = Field(description="What it is, in Blender's words.")


class ApiEntries(BaseModel):
    """Results of a search, the best first."""

    results: list[ApiEntry] = Field(description="What was found; empty when nothing has any of the words.")
    indexed: int = Field(description="Number of entries that were searched.")


class EnumItem(BaseModel):
    """One value of an enumeration."""

    identifier: str = Field(description="The string to assign.")
    description: str = Field(description="What it means.")


class ApiMember(BaseModel):
    """A parameter, or a property or function of a type."""

    name: str = Field(description="Its name.")
    kind: str = Field(description="parameter, property, function, operator, type or module.")
    type: str | None = Field(description="Type as Python sees it, such as float[3]; of a function, its arguments.")
    required: bool | None = Field(description="Whether a parameter must be given; null for what is none.")
    default: Any = Field(description="Default value; null when it has none.")
    minimum: float | None = Field(description="Lowest value; null when there is no limit.")
    maximum: float | None = Field(description="Highest value; null when there is no limit.")
    unit: str | None = Field(description="Kind of quantity: length is in metres, rotation in radians; null without.")
    items: list[str] = Field(description="Values of an enumeration; … when a type has more of them.")
    description: str = Field(description="What it is, in Blender's words.")


class ApiDescription(BaseModel):
    """What Blender says about one name."""

    path: str = Field(description="Full name.")
    kind: str = Field(description="operator, type, property, function, module or value.")
    signature: str | None = Field(description="How it is called; null for what is not called.")
    description: str = Field(description="What it is, in Blender's words.")
    type: str | None = Field(description="Type of a property, or of a function's result.")
    bases: list[str] = Field(description="Types that a type inherits from.")
    default: Any = Field(description="Default value of a property.")
    minimum: float | None = Field(description="Lowest value of a property; null when there is no limit.")
    maximum: float | None = Field(description="Highest value of a property; null when there is no limit.")
    unit: str | None = Field(description="Kind of quantity: length is in metres, rotation in radians; null without.")
    items: list[EnumItem] = Field(description="Values of an enumeration.")
    read_only: bool | None = Field(description="Whether a property cannot be assigned; null for what is none.")
    members: list[ApiMember] = Field(description="This page of parameters, or of a type's properties and functions.")
    member_count: int = Field(description="Number of members on all pages.")
    next_offset: int | None = Field(description="Offset of the next page of members; null on the last page.")


@tools.tool(title="Search Blender's API", annotations=READS)
async def search_api(
    ctx: BlenderContext,
    query: Annotated[str, Field(description="Words, such as bevel width, or part of a name.", min_length=1)],
    limit: Annotated[int, Field(description="Most results (count).", ge=1, le=100)] = 20,
) -> ApiEntries:
    """Find operators, types, properties and functions of this Blender's Python API by words.

    Use it before code that calls what you are not sure of: names differ between versions of Blender.
    """
    return ApiEntries.model_validate(await ask(ctx, "search_api", query=query, limit=limit))


@tools.tool(title="Describe Blender's API", annotations=READS)
async def describe_api(
    ctx: BlenderContext,
    path: Annotated[
        str,
        Field(
            description="A name, such as bpy.ops.mesh.primitive_cube_add, bpy.types.Object.location, "
            "bpy.data.objects.new, BevelModifier or mathutils.Vector.",
        ),
    ],
    limit: Annotated[int, Field(description="Most members to return (count).", ge=1, le=200)] = 60,
    offset: Annotated[int, Field(description="Members to skip (count).", ge=0)] = 0,
) -> ApiDescription:
    """Describe an operator, type, property or function: signature, types, defaults, ranges, values, meaning."""
    answer = await ask(ctx, "describe_api", path=path, limit=limit, offset=offset)
    return ApiDescription.model_validate(answer)
