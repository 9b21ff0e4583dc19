"""Make, place, copy, parent and delete objects."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from p2m_singleuser.mcp_server.blender import BlenderContext, ask
from p2m_singleuser.mcp_server.models import (
    COLOUR,
    KNOWS_NAMES,
    Colour,
    ObjectName,
    PlacedObject,
    PlacedObjects,
    Triple,
)
from p2m_singleuser.mcp_server.toolset import EDITS, REPLACES, SETS, Toolset

tools = Toolset()

ObjectType = Literal[
    "cube",
    "plane",
    "circle",
    "uv_sphere",
    "ico_sphere",
    "cylinder",
    "cone",
    "torus",
    "grid",
    "monkey",
    "text",
    "curve",
    "empty",
    "light",
    "camera",
]

Names = Annotated[list[str], Field(description="Names of objects, as list_objects gives them.", min_length=1)]


class Deleted(BaseModel):
    """What was deleted."""

    deleted: list[str] = Field(description="Names of the objects that are gone.")
    object_count: int = Field(description="Objects left in the scene (count).")


@tools.tool(title="Create an object", annotations=EDITS)
async def create_object(
    ctx: BlenderContext,
    type: Annotated[ObjectType, Field(description="What to create.")],
    name: Annotated[
        str | None, Field(description="What to call it; Blender appends a number when the name is taken.")
    ] = None,
    location: Annotated[Triple, Field(description="Position x, y, z of its origin in metres.")] = [0, 0, 0],  # noqa: B006
    rotation: Annotated[Triple, Field(description="Euler angles about x, then y, then z, in radians.")] = [0, 0, 0],  # noqa: B006
    scale: Annotated[Triple, Field(description="Scale along x, y, z, as factors.")] = [1, 1, 1],  # noqa: B006
    collection: Annotated[
        str | None, Field(description="Name of the collection it goes to; by default the person's active one.")
    ] = None,
    dimensions: Annotated[
        Triple | None,
        Field(
            description="Meshes: size along x, y, z in metres, built into the mesh so that its scale stays 1. "
            "A plane, circle or grid stays flat."
        ),
    ] = None,
    smooth: Annotated[bool, Field(description="Meshes: whether faces are shaded smooth.")] = False,
    size: Annotated[
        float | None,
        Field(
            description="Cube, plane, grid: length of an edge in metres (2); monkey: about its width (2); text: height "
            "of a line (1); empty: how large it is drawn (1); point and spot light: radius; area light: side."
        ),
    ] = None,
    radius: Annotated[
        float | None,
        Field(description="Circle, spheres, cylinder, cone (foot), torus (to the middle of its tube): in metres (1)."),
    ] = None,
    top_radius: Annotated[float | None, Field(description="Cone: radius at its top in metres (0).")] = None,
    tube_radius: Annotated[float | None, Field(description="Torus: radius of its tube in metres (0.25).")] = None,
    depth: Annotated[float | None, Field(description="Cylinder, cone: height along z in metres (2).")] = None,
    segments: Annotated[
        int | None,
        Field(description="Circle, uv_sphere, cylinder, cone, torus: corners around z (count; 32, torus 48)."),
    ] = None,
    rings: Annotated[int | None, Field(description="uv_sphere: rings from pole to pole (count; 16).")] = None,
    tube_segments: Annotated[int | None, Field(description="Torus: corners around its tube (count; 12).")] = None,
    subdivisions: Annotated[int | None, Field(description="ico_sphere: how fine, from 1 to 8 (steps; 2).")] = None,
    x_segments: Annotated[int | None, Field(description="Grid: faces along x (count; 10).")] = None,
    y_segments: Annotated[int | None, Field(description="Grid: faces along y (count; 10).")] = None,
    filled: Annotated[bool | None, Field(description="Circle: whether it is a disc instead of a ring (false).")] = None,
    text: Annotated[str | None, Field(description="Text: what it says; may have several lines.")] = None,
    align: Annotated[
        Literal["left", "center", "right"] | None, Field(description="Text: side of its origin (left).")
    ] = None,
    extrude: Annotated[float | None, Field(description="Text: half its thickness in metres (0, flat).")] = None,
    points: Annotated[
        list[Triple] | None,
        Field(description="Curve: at least two points x, y, z in metres, relative to location. Required for a curve."),
    ] = None,
    curve_type: Annotated[
        Literal["bezier", "poly"] | None, Field(description="Curve: smooth through the points, or straight (bezier).")
    ] = None,
    cyclic: Annotated[bool | None, Field(description="Curve: whether it is closed (false).")] = None,
    resolution: Annotated[
        int | None, Field(description="Curve: pieces between two points of a bezier, 1 to 1024 (count; 12).")
    ] = None,
    bevel_depth: Annotated[
        float | None,
        Field(
            description="Curve: radius of the tube it becomes, in metres (0, a line); text: radius of its rounded edge."
        ),
    ] = None,
    display: Annotated[
        str | None, Field(description="Empty: how it is drawn, for instance plain_axes, arrows, cube, sphere.")
    ] = None,
    light_type: Annotated[
        Literal["point", "sun", "spot", "area"] | None, Field(description="Light: which kind (point).")
    ] = None,
    energy: Annotated[
        float | None, Field(description="Light: power in watts (100); sun: irradiance in W/m² (1).", ge=0)
    ] = None,
    color: Annotated[Colour | None, Field(description=f"Light: {COLOUR} (white).")] = None,
    spot_angle: Annotated[
        float | None, Field(description="Spot light: opening of its cone in radians, up to pi.")
    ] = None,
    lens: Annotated[float | None, Field(description="Camera: focal length in millimetres (50).")] = None,
    ortho_scale: Annotated[
        float | None, Field(description="Camera: makes it orthographic, with a picture this many metres wide.")
    ] = None,
) -> PlacedObject:
    """Add a mesh primitive, text, curve, empty, light or camera to the scene.

    Lights and cameras look along their own negative z: rotation 0 looks straight down; frame_camera aims a camera.
    Each parameter from size on is for the types it names; the number in brackets is what Blender takes without it.
    """
    settings = {
        "size": size,
        "radius": radius,
        "top_radius": top_radius,
        "tube_radius": tube_radius,
        "depth": depth,
        "segments": segments,
        "rings": rings,
        "tube_segments": tube_segments,
        "subdivisions": subdivisions,
        "x_segments": x_segments,
        "y_segments": y_segments,
        "filled": filled,
        "text": text,
        "align": align,
        "extrude": extrude,
        "points": points,
        "curve_type": curve_type,
        "cyclic": cyclic,
        "resolution": resolution,
        "bevel_depth": bevel_depth,
        "display": display,
        "light_type": light_type,
        "energy": energy,
        "color": color,
        "spot_angle": spot_angle,
        "lens": lens,
        "ortho_scale": ortho_scale,
    }
    answer = await ask(
        ctx,
        "create_object",
        hint="Nothing was created.",
        type=type,
        name=name,
        location=location,
        rotation=rotation,
        scale=scale,
        dimensions=dimensions,
        smooth=smooth,
        collection=collection,
        settings={key: value for key, value in settings.items() if value is not None},
    )
    return PlacedObject.model_validate(answer)


@tools.tool(title="Move, rotate, scale", annotations=EDITS)
async def transform_object(
    ctx: BlenderContext,
    name: ObjectName,
    location: Annotated[
        Triple | None, Field(description="Position x, y, z in metres, from where its parent was when it became that.")
    ] = None,
    rotation: Annotated[
        Triple | None, Field(description="Euler angles about x, then y, then z, in radians. Not with quaternion.")
    ] = None,
    quaternion: Annotated[
        list[float] | None,
        Field(
            description="Rotation as quaternion w, x, y, z (no unit), normalized by Blender.",
            min_length=4,
            max_length=4,
        ),
    ] = None,
    scale: Annotated[Triple | None, Field(description="Scale along x, y, z, as factors. Not with dimensions.")] = None,
    dimensions: Annotated[
        Triple | None,
        Field(
            description="Size of its bounding box along its own x, y, z in metres, reached by scaling. Absolute only."
        ),
    ] = None,
    relative: Annotated[
        bool,
        Field(
            description="True: location is added, the rotation follows the present one (about the parent's axes), "
            "scale is multiplied. False: the values are set."
        ),
    ] = False,
) -> PlacedObject:
    """Set an object's location, rotation, scale or dimensions, or change them by an amount; the rest stays."""
    answer = await ask(
        ctx,
        "transform_object",
        hint=KNOWS_NAMES,
        name=name,
        location=location,
        rotation=rotation,
        quaternion=quaternion,
        scale=scale,
        dimensions=dimensions,
        relative=relative,
    )
    return PlacedObject.model_validate(answer)


@tools.tool(title="Duplicate an object", annotations=EDITS)
async def duplicate_object(
    ctx: BlenderContext,
    name: ObjectName,
    count: Annotated[int, Field(description="How many copies (count).", ge=1, le=1000)] = 1,
    offset: Annotated[Triple, Field(description="From each copy to the next, along x, y, z in metres.")] = [0, 0, 0],  # noqa: B006
    linked: Annotated[
        bool, Field(description="True: the copies share the object's mesh and materials; false: each has its own mesh.")
    ] = False,
    new_name: Annotated[
        str | None, Field(description="What to call the copies; Blender appends numbers. By default the object's name.")
    ] = None,
) -> PlacedObjects:
    """Copy an object once or in a row, without its children, into the same collections and under the same parent."""
    answer = await ask(
        ctx,
        "duplicate_object",
        hint=KNOWS_NAMES,
        name=name,
        count=count,
        offset=offset,
        linked=linked,
        new_name=new_name,
    )
    return PlacedObjects.model_validate(answer)


@tools.tool(title="Delete objects", annotations=REPLACES)
async def delete_objects(
    ctx: BlenderContext,
    names: Names,
    with_children: Annotated[
        bool,
        Field(description="True: everything below them goes too; false: children stay in place, without a parent."),
    ] = False,
) -> Deleted:
    """Delete objects, and their meshes if nothing else uses them. If one name is not known, nothing is deleted."""
    answer = await ask(ctx, "delete_objects", hint=KNOWS_NAMES, names=names, with_children=with_children)
    return Deleted.model_validate(answer)


@tools.tool(title="Set the parent", annotations=SETS)
async def set_parent(
    ctx: BlenderContext,
    children: Names,
    parent: Annotated[
        str | None, Field(description="Name of the new parent; null takes the objects away from the one they have.")
    ] = None,
    keep_transform: Annotated[
        bool,
        Field(
            description="True: they stay where they are in the world; false: their transform counts from the parent."
        ),
    ] = True,
) -> PlacedObjects:
    """Put objects below another one, so that they follow it, or below none."""
    answer = await ask(
        ctx, "set_parent", hint=KNOWS_NAMES, children=children, parent=parent, keep_transform=keep_transform
    )
    return PlacedObjects.model_validate(answer)
