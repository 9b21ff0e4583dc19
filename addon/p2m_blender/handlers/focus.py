# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the person what an agent means."""

from __future__ import annotations

import math
from typing import Any

import bpy
from mathutils import Vector

from ..registry import CommandError, command
from ..views import bounds, largest_viewport

_SMALLEST_RADIUS = 0.01
_ROOM = 1.3
"""How much further away than needed to see all of it."""


@command("focus_view", kind="edit")
def focus_view(name: str, select: bool = False) -> dict[str, Any]:
    """Move the person's largest 3D viewport to an object; the direction they look in stays.

    Args:
        name: The object's name.
        select: Also make it the only selected and the active object.

    Returns:
        ``name``, ``location`` (centre of the view, Blender units), ``distance`` (of the view from it, Blender units),
        ``selected``.

    Raises:
        CommandError: There is no such object or it does not show, or no viewport.
    """
    item = bpy.context.scene.objects.get(name)
    if item is None:
        raise CommandError(f"Object not found: {name}")
    _, area, region = largest_viewport()
    space = area.spaces.active
    if not item.visible_get(viewport=space):
        raise CommandError(f"{name} is hidden in the viewport, so nobody would see it; unhide it first")
    bpy.context.view_layer.update()
    low, high = bounds([item])
    centre = (low + high) / 2
    radius = max((high - low).length / 2, _SMALLEST_RADIUS)
    view = space.region_3d
    if view.view_perspective == "CAMERA":
        view.view_perspective = "PERSP"
    view.view_location = centre
    view.view_distance = _distance(radius, space.lens, region.width / region.height)
    area.tag_redraw()
    if select:
        for other in bpy.context.view_layer.objects:
            other.select_set(other == item)
        bpy.context.view_layer.objects.active = item
    return {
        "name": name,
        "location": _rounded(centre),
        "distance": float(f"{view.view_distance:.6g}"),
        "selected": select,
    }


def _distance(radius: float, lens: float, aspect: float) -> float:
    """Return how far a viewport has to be from the middle of a ball to show all of it.

    Args:
        radius: The ball's, in Blender units.
        lens: The viewport's, in millimetres; its sensor is 72 wide along the longer side.
        aspect: Width by height.
    """
    half_of_longer_side = 36.0 / lens  # at distance 1, with and without perspective
    half_of_shorter_side = half_of_longer_side / max(aspect, 1 / aspect)
    return _ROOM * radius * max(1.0, math.hypot(1.0, half_of_shorter_side) / half_of_shorter_side)


def _rounded(vector: Vector) -> list[float]:
    return [float(f"{value:.6g}") + 0.0 for value in vector]
