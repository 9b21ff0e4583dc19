"""Is the work sound? Meshes for printing, and the file as a whole."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.toolset import READS, Toolset

tools = Toolset()

CHECK_S = 120.0
"""Seconds that a check of a large mesh may take."""

Vector = tuple[float | None, float | None, float | None]
"""Three numbers; null stands for what is not finite, which JSON cannot say."""


class MeshCheck(BaseModel):
    """What was found on a mesh, with modifiers applied, in world space."""

    name: str = Field(description="The object.")
    ready_to_print: bool = Field(description="Whether nothing was found that keeps it from being printed.")
    problems: list[str] = Field(description="A sentence for each thing found, with what mends it.")
    manifold: bool = Field(description="Whether it encloses a volume: no holes, loose parts or branching surfaces.")
    normals_consistent: bool = Field(description="Whether all faces look outwards.")
    vertices: int = Field(description="Number of vertices.")
    edges: int = Field(description="Number of edges.")
    faces: int = Field(description="Number of faces.")
    parts: int = Field(description="Number of pieces that hang together.")
    loose_vertices: int = Field(description="Number of vertices that belong to no edge.")
    loose_edges: int = Field(description="Number of edges that belong to no face.")
    boundary_edges: int = Field(description="Number of edges with one face only: rims of holes.")
    crowded_edges: int = Field(description="Number of edges with three faces or more.")
    pinched_vertices: int = Field(description="Number of vertices in which surfaces touch in one point only.")
    duplicate_vertices: int = Field(description="Number of vertices at the place of another one.")
    inconsistent_edges: int = Field(description="Number of edges whose two faces look to different sides.")
    flipped_faces: int = Field(description="Number of faces that look inwards.")
    degenerate_faces: int = Field(description="Number of faces without an area.")
    self_intersecting_faces: int | None = Field(
        description="Number of faces that run through others; null when the mesh is too large to look for them."
    )
    volume: float | None = Field(description="Volume in cubic metres (Blender units); null unless it is closed.")
    area: float | None = Field(description="Surface in square metres (Blender units).")
    dimensions: Vector = Field(description="Size along the world's x, y, z in metres (Blender units).")
    dimensions_mm: Vector = Field(description="The same in millimetres, by the scene's unit scale.")


class LinkedLibrary(BaseModel):
    """A Blender file that the open one links to."""

    name: str = Field(description="Its name.")
    path: str = Field(description="Where it is, relative to the home if it is in it.")
    missing: bool = Field(description="Whether there is no such file.")


class ImageSummary(BaseModel):
    """A picture in the file."""

    name: str = Field(description="Its name.")
    source: str = Field(description="FILE, SEQUENCE, MOVIE, TILED or GENERATED.")
    width: int = Field(description="Width in pixels; 0 when it cannot be read.")
    height: int = Field(description="Height in pixels; 0 when it cannot be read.")
    packed: bool = Field(description="Whether its content is in the Blender file.")
    path: str | None = Field(description="Its own file, relative to the home if it is in it; null when it has none.")
    missing: bool = Field(description="Whether it is not packed and its file is not there.")


class MissingFile(BaseModel):
    """A file that is named and not there."""

    kind: str = Field(description="What needs it, for instance images or libraries.")
    name: str = Field(description="Name of the data-block that needs it.")
    path: str = Field(description="Where it should be.")


class FileSummary(BaseModel):
    """What the open file consists of."""

    file: str | None = Field(description="The open file, relative to the home; null when it was never saved.")
    size: int | None = Field(description="Its size on disk in bytes; null when there is no file.")
    unsaved_changes: bool | None = Field(
        description="Whether there are changes that are not in the file; null when Blender runs without a window."
    )
    blender_version: str = Field(description="Version of the Blender that runs.")
    file_version: str = Field(description="Version of the Blender that had saved the file before it was opened.")
    data_blocks: dict[str, int] = Field(
        description="Number of data-blocks by kind; kinds that do not occur are left out."
    )
    unused: int = Field(description="Number of data-blocks that nothing uses; they are gone after save and open.")
    scenes: list[str] = Field(description="Names of the scenes.")
    libraries: list[LinkedLibrary] = Field(description="Blender files linked to; the first 200.")
    images: list[ImageSummary] = Field(description="Pictures; the first 200.")
    missing_files: list[MissingFile] = Field(description="Files that are named and not there.")


@tools.tool(title="Check mesh", annotations=READS)
async def check_mesh(
    ctx: BlenderContext,
    name: Annotated[str, Field(description="The object's name, as get_scene_info lists it.")],
) -> MeshCheck:
    """Check whether an object's surface is sound and can be printed, and say what mends it.

    Modifiers count. For printing compare dimensions_mm with what is wanted: a scene in metres prints large.
    """
    answer = await ask(
        ctx, "check_mesh", deadline_s=CHECK_S, hint="get_scene_info lists the names of all objects.", name=name
    )
    return MeshCheck.model_validate(answer)


@tools.tool(title="File summary", annotations=READS)
async def get_file_summary(ctx: BlenderContext) -> FileSummary:
    """Describe the open file: data-blocks by kind, pictures, linked libraries, missing files, size, version."""
    return FileSummary.model_validate(await ask(ctx, "get_file_summary"))
