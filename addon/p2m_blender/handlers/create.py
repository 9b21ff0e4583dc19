# SPDX-License-Identifier: GPL-3.0-or-later
"""New objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import bpy

from ..lookup import find_collection, placement
from ..names import unknown
from ..registry import CommandError, CommandTable, command
from ..shapes import SHAPES
from ..values import colour, finite, positive, within


@command("create_object", kind="edit")
def create_object(
    type: str,
    name: str | None = None,
    location: list[float] = [0, 0, 0],  # noqa: B006 - read only
    rotation: list[float] = [0, 0, 0],  # noqa: B006
    scale: list[float] = [1, 1, 1],  # noqa: B006
    dimensions: list[float] | None = None,
    smooth: bool = False,
    collection: str | None = None,
    settings: dict[str, Any] = {},  # noqa: B006
) -> dict[str, Any]:
    """Add an object to the scene.

    Args:
        type: A primitive of `SHAPES`, or one of `OTHERS`.
        name: What to call it; Blender appends a number when the name is taken.
        location: Blender units.
        rotation: Euler angles about x, then y, then z, in radians.
        scale: Factors.
        dimensions: Size along x, y, z in Blender units, built into the mesh, so that its scale stays as given; a flat
            primitive's z is left out of account. Only for meshes.
        smooth: Whether a mesh's faces are shaded smooth.
        collection: Where it goes; by default the person's active collection.
        settings: What only this type has; the functions of `SHAPES` and `OTHERS` say what.

    Returns:
        The new object, as `placement` gives it.

    Raises:
        CommandError: A type, collection or setting is not known, or a value is out of range.
    """
    place = (finite("location", location, 3), finite("rotation", rotation, 3), finite("scale", scale, 3))
    target = (
        (bpy.context.collection or bpy.context.scene.collection) if collection is None else find_collection(collection)
    )
    if target.library is not None:
        raise CommandError(f"The collection {target.name!r} belongs to a linked file; name another one")
    build = SHAPES.get(type) or OTHERS.get(type)
    if build is None:
        raise unknown("Type", type, [*SHAPES, *OTHERS], list_all=True)
    if type not in SHAPES and (dimensions is not None or smooth):
        raise CommandError(
            f"create_object {type}: dimensions and smooth are for meshes; use scale, or settings of its own"
        )
    _settings.find(f"create_object {type}").check(settings)
    name = name or type.rpartition("_")[2].title()
    if type in SHAPES:
        item = bpy.data.objects.new(name, _mesh(name, build(**settings), dimensions, smooth))
    else:
        item = build(**settings)
        item.name = name
        if item.data is not None:
            item.data.name = name
    item.location, item.rotation_euler, item.scale = place
    target.objects.link(item)
    if item.type == "CAMERA" and bpy.context.scene.camera is None:
        bpy.context.scene.camera = item
    bpy.context.view_layer.update()
    return placement(item)


def _mesh(name: str, shape: Any, dimensions: list[float] | None, smooth: bool) -> Any:
    """Return a mesh-block of a shape, which is freed."""
    try:
        if dimensions is not None:
            _stretch(shape, finite("dimensions", dimensions, 3))
        for face in shape.faces:
            face.smooth = smooth
        mesh = bpy.data.meshes.new(name)
        shape.to_mesh(mesh)
    finally:
        shape.free()
    return mesh


def _stretch(shape: Any, dimensions: tuple[float, ...]) -> None:
    """Scale a shape so that it measures `dimensions`; an axis along which it is flat stays flat."""
    factors = []
    for axis, wanted in enumerate(dimensions):
        along = [vertex.co[axis] for vertex in shape.verts]
        size = max(along) - min(along)
        if size > 0:
            positive("dimensions", wanted)
        factors.append(wanted / size if size > 0 else 1.0)
    for vertex in shape.verts:
        vertex.co = [part * factor for part, factor in zip(vertex.co, factors, strict=True)]


def text(
    text: str = "Text",
    size: float = 1.0,
    extrude: float = 0.0,
    bevel_depth: float = 0.0,
    align: Literal["left", "center", "right"] = "left",
) -> Any:
    """Make a text object: height of a line `size`, half its thickness `extrude`, in Blender units."""
    positive("size", size)
    within("extrude", extrude, 0)
    within("bevel_depth", bevel_depth, 0)
    data = bpy.data.curves.new("Text", "FONT")
    data.body = text
    data.size, data.extrude, data.bevel_depth = size, extrude, bevel_depth
    data.align_x = align.upper()
    return bpy.data.objects.new("Text", data)


def curve(
    points: list[list[float]],
    curve_type: Literal["bezier", "poly"] = "bezier",
    cyclic: bool = False,
    bevel_depth: float = 0.0,
    resolution: int = 12,
) -> Any:
    """Make a curve through at least two points; `bevel_depth` above 0 makes it a tube of that radius, Blender units."""
    if len(points) < 2:
        raise CommandError(f"A curve needs at least 2 points, got {len(points)}")
    coordinates = [finite("Each of points", point, 3) for point in points]
    within("bevel_depth", bevel_depth, 0)
    within("resolution", resolution, 1, 1024)
    data = bpy.data.curves.new("Curve", "CURVE")
    data.dimensions = "3D"
    data.bevel_depth, data.resolution_u = bevel_depth, resolution
    data.use_fill_caps = True
    spline = data.splines.new(curve_type.upper())
    knots = spline.bezier_points if curve_type == "bezier" else spline.points
    knots.add(len(points) - 1)  # a new spline has one already
    for knot, place in zip(knots, coordinates, strict=True):
        if curve_type == "bezier":
            knot.co = place
            knot.handle_left_type = knot.handle_right_type = "AUTO"
        else:
            knot.co = (*place, 1.0)
    spline.use_cyclic_u = cyclic
    return bpy.data.objects.new("Curve", data)


def empty(display: str = "plain_axes", size: float = 1.0) -> Any:
    """Make an empty, drawn as `display` with a radius of `size` Blender units."""
    positive("size", size)
    displays = bpy.types.Object.bl_rna.properties["empty_display_type"].enum_items.keys()
    if display.upper() not in displays:
        raise unknown("Display of an empty", display, [key.lower() for key in displays], list_all=True)
    item = bpy.data.objects.new("Empty", None)
    item.empty_display_type = display.upper()
    item.empty_display_size = size
    return item


def light(
    light_type: Literal["point", "sun", "spot", "area"] = "point",
    energy: float | None = None,
    color: list[float] | str = "#ffffff",
    size: float | None = None,
    spot_angle: float | None = None,
) -> Any:
    """Make a light.

    Args:
        light_type: Which kind.
        energy: Watts; for a sun W/m². By default 100 W, and 1 W/m² for a sun.
        color: Its colour.
        size: Radius of a point or spot light, side of an area light, in Blender units.
        spot_angle: Opening of a spot's cone in radians, up to pi.
    """
    shade = colour("color", color)
    energy = energy if energy is not None else (1.0 if light_type == "sun" else 100.0)
    within("energy", energy, 0)
    if size is not None and light_type == "sun":
        raise CommandError("A sun has no size; leave it out")
    if size is not None:
        positive("size", size)
    if spot_angle is not None and light_type != "spot":
        raise CommandError("Only a spot has a spot_angle; leave it out, or choose light_type 'spot'")
    if spot_angle is not None:
        within("spot_angle", spot_angle, math.radians(1), math.pi)
    data = bpy.data.lights.new("Light", light_type.upper())
    data.energy, data.color = energy, shade
    if size is not None:
        setattr(data, "size" if light_type == "area" else "shadow_soft_size", size)
    if spot_angle is not None:
        data.spot_size = spot_angle
    return bpy.data.objects.new("Light", data)


def camera(lens: float = 50.0, ortho_scale: float | None = None) -> Any:
    """Make a camera with a focal length of `lens` millimetres, or an orthographic one `ortho_scale` units wide."""
    within("lens", lens, 1, 5000)
    if ortho_scale is not None:
        positive("ortho_scale", ortho_scale)
    data = bpy.data.cameras.new("Camera")
    data.lens = lens
    if ortho_scale is not None:
        data.type, data.ortho_scale = "ORTHO", ortho_scale
    return bpy.data.objects.new("Camera", data)


OTHERS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (text, curve, empty, light, camera)
}
"""What makes objects that are no meshes, by type."""

_settings = CommandTable()
"""Checks the settings of a type as the parameters of a command."""

for _type, _build in (SHAPES | OTHERS).items():
    _settings.command(f"create_object {_type}")(_build)
