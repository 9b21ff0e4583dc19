"""What is in the scene."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.toolset import READS, Toolset

tools = Toolset()

Vector = tuple[float | None, float | None, float | None]
"""Three numbers; null stands for what is not finite, which JSON cannot say."""


class SceneObject(BaseModel):
    """One line of the scene's list."""

    name: str = Field(description="Unique name; get_object_info takes it.")
    type: str = Field(description="Blender's object type, for instance MESH, CAMERA, LIGHT, EMPTY.")
    location: Vector = Field(description="Position x, y, z in metres (Blender units).")


class SceneInfo(BaseModel):
    """The scene in numbers, and a page of its objects."""

    name: str = Field(description="Name of the scene.")
    object_count: int = Field(description="Objects in the scene, on all pages.")
    materials_count: int = Field(description="Materials in the file.")
    objects: list[SceneObject] = Field(description="This page of objects.")
    offset: int = Field(description="Objects skipped before this page.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")


class MeshInfo(BaseModel):
    """Size of a mesh."""

    vertices: int = Field(description="Number of vertices.")
    edges: int = Field(description="Number of edges.")
    polygons: int = Field(description="Number of faces.")


class ObjectInfo(BaseModel):
    """One object in detail."""

    name: str = Field(description="Unique name.")
    type: str = Field(description="Blender's object type, for instance MESH, CAMERA, LIGHT, EMPTY.")
    location: Vector = Field(description="Position x, y, z in metres (Blender units).")
    rotation: Vector = Field(description="Euler rotation about x, y, z in radians.")
    scale: Vector = Field(description="Scale along x, y, z, as factors (1 = unscaled).")
    visible: bool = Field(description="Whether the object shows in the viewport.")
    materials: list[str] = Field(description="Names of its materials, in slot order.")
    mesh: MeshInfo | None = Field(default=None, description="Size of its mesh; null for what is not a mesh.")
    world_bounding_box: tuple[Vector, Vector] | None = Field(
        default=None, description="Lowest and highest corner in world space, in metres; null for what is not a mesh."
    )


@tools.tool(title="Scene overview", annotations=READS)
async def get_scene_info(
    ctx: BlenderContext,
    limit: Annotated[int, Field(description="Most objects to list (count).", ge=1, le=1000)] = 50,
    offset: Annotated[int, Field(description="Objects to skip before the list begins (count).", ge=0)] = 0,
) -> SceneInfo:
    """List what is in the current scene: names, types and positions of its objects.

    Call it first, and again after changes you did not make yourself.
    """
    return SceneInfo.model_validate(await ask(ctx, "get_scene_info", limit=limit, offset=offset))


@tools.tool(title="Object details", annotations=READS)
async def get_object_info(
    ctx: BlenderContext,
    name: Annotated[str, Field(description="The object's name, as get_scene_info lists it.")],
) -> ObjectInfo:
    """Describe one object: transform, visibility, materials, mesh size and bounding box."""
    answer = await ask(ctx, "get_object_info", name=name, hint="get_scene_info lists the names of all objects.")
    return ObjectInfo.model_validate(answer)
