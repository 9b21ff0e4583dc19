"""What is in the scene."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.models import KNOWS_NAMES, ObjectName, PlacedObject, Vector
from p2m_singleuser.mcp_server.toolset import READS, Toolset

tools = Toolset()


class SceneObject(BaseModel):
    """One line of the scene's list."""

    name: str = Field(description="Unique name; get_object_info takes it.")
    type: str = Field(description="Blender's object type, for instance MESH, CAMERA, LIGHT, EMPTY.")
    location: Vector = Field(description="Position x, y, z in metres (Blender units).")


class Frames(BaseModel):
    """The animation's frames."""

    current: int = Field(description="Frame shown now (number).")
    start: int = Field(description="First frame of the animation (number).")
    end: int = Field(description="Last frame of the animation (number).")
    step: int = Field(description="Frames from one rendered frame to the next (count).")
    fps: float = Field(description="Frames per second.")


class Units(BaseModel):
    """What the person's Blender shows lengths and angles in; tools always use metres (Blender units) and radians."""

    system: str = Field(description="METRIC, IMPERIAL or NONE.")
    metres_per_unit: float = Field(description="Length of one Blender unit in metres, as a factor.")
    length: str = Field(description="Unit that lengths are shown in, for instance METERS or MILLIMETERS.")
    rotation: str = Field(description="Unit that angles are shown in: DEGREES or RADIANS.")


class SceneInfo(BaseModel):
    """The scene's settings in numbers, and a page of its objects."""

    name: str = Field(description="Name of the scene.")
    object_count: int = Field(description="Objects in the scene, on all pages, whether they match or not (count).")
    match_count: int = Field(description="Objects that match the filters, on all pages (count).")
    materials_count: int = Field(description="Materials in the file (count).")
    objects: list[SceneObject] = Field(description="This page of objects.")
    offset: int = Field(description="Matching objects skipped before this page (count).")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")
    frame: Frames = Field(description="The animation's range in frames, and its speed in frames per second.")
    units: Units = Field(description="What lengths (per Blender unit, in metres) and angles are shown in.")
    camera: str | None = Field(description="Name of the camera that renders; null without one.")
    world: str | None = Field(description="Name of the world that surrounds the scene; null without one.")
    engine: str = Field(description="Render engine, for instance CYCLES or BLENDER_EEVEE_NEXT.")
    resolution: tuple[int, int] = Field(description="Width and height of renders, in pixels.")
    collections: list[str] = Field(description="Names of the scene's collections.")
    file: str | None = Field(description="Path of the open file; null when it was never saved.")


class ListedObject(PlacedObject):
    """An object in a list."""

    visible: bool = Field(description="Whether the object shows in the viewport.")
    selected: bool = Field(description="Whether the person has selected it.")
    materials: list[str] = Field(description="Names of its materials, in slot order.")


class ObjectList(BaseModel):
    """A page of objects."""

    objects: list[ListedObject] = Field(description="This page of objects.")
    match_count: int = Field(description="Objects that match, on all pages (count).")
    offset: int = Field(description="Matching objects skipped before this page (count).")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")


TypeFilter = Annotated[
    str | None, Field(description="Only objects of this Blender type, for instance MESH, LIGHT, CAMERA, EMPTY.")
]
NameFilter = Annotated[
    str | None, Field(description="Only names like this: a pattern with * and ?, or a part of the name; any case.")
]
CollectionFilter = Annotated[
    str | None, Field(description="Only objects in the collection of this name, or in one below it.")
]
VisibleFilter = Annotated[
    bool | None, Field(description="True: only objects that show in the viewport; false: only hidden ones.")
]
Limit = Annotated[int, Field(description="Most objects to list (count).", ge=1, le=1000)]
Offset = Annotated[int, Field(description="Matching objects to skip before the list begins (count).", ge=0)]


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
    limit: Limit = 50,
    offset: Offset = 0,
    type: TypeFilter = None,
    name: NameFilter = None,
    collection: CollectionFilter = None,
    visible: VisibleFilter = None,
) -> SceneInfo:
    """Describe the current scene: frames, units, camera, engine, and the names, types and positions of its objects.

    Call it first, and again after changes you did not make yourself.
    """
    answer = await ask(
        ctx,
        "get_scene_info",
        limit=limit,
        offset=offset,
        type=type,
        name=name,
        collection=collection,
        visible=visible,
    )
    return SceneInfo.model_validate(answer)


@tools.tool(title="List objects", annotations=READS)
async def list_objects(
    ctx: BlenderContext,
    type: TypeFilter = None,
    name: NameFilter = None,
    collection: CollectionFilter = None,
    visible: VisibleFilter = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> ObjectList:
    """List the scene's objects that match all filters, with transform, size, parent, collections and materials."""
    answer = await ask(
        ctx,
        "list_objects",
        type=type,
        name=name,
        collection=collection,
        visible=visible,
        limit=limit,
        offset=offset,
    )
    return ObjectList.model_validate(answer)


@tools.tool(title="Object details", annotations=READS)
async def get_object_info(ctx: BlenderContext, name: ObjectName) -> ObjectInfo:
    """Describe one object: transform, visibility, materials, mesh size and bounding box."""
    return ObjectInfo.model_validate(await ask(ctx, "get_object_info", name=name, hint=KNOWS_NAMES))
