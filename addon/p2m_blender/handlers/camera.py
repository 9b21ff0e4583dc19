# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the camera where it sees what matters."""

from __future__ import annotations

from typing import Any, Literal

import bpy
from mathutils import Vector

from ..lookup import editable_object, find_object, placement
from ..registry import CommandError, command
from ..values import rounded, within

DIRECTIONS = {
    "front": (0, 1, 0),
    "back": (0, -1, 0),
    "right": (-1, 0, 0),
    "left": (1, 0, 0),
    "top": (0, 0, -1),
    "bottom": (0, 0, 1),
    "iso": (-1, 1, -0.8),
}
"""Where the camera looks in each view; "front" stands on the side of negative y, as in Blender's own views."""

WITHOUT_SHAPE = {"CAMERA", "LIGHT", "LIGHT_PROBE", "SPEAKER", "EMPTY", "ARMATURE", "LATTICE"}
"""Types of objects that renders do not show; only framed when they are named."""


@command("frame_camera", kind="edit")
def frame_camera(
    names: list[str] | None = None,
    camera: str | None = None,
    view: Literal["keep", "front", "back", "right", "left", "top", "bottom", "iso"] | None = None,
    margin: float = 0.1,
) -> dict[str, Any]:
    """Put a camera so that objects fill its picture, and make it the scene's.

    Args:
        names: The objects; by default everything visible that a render shows.
        camera: Name of the camera; by default the scene's, or a new one when it has none.
        view: Where it stands: a side, "iso" (front right, from above), or "keep" for its present direction. By default
            "keep", and "iso" for a new one.
        margin: Room around the objects, as a share of their size, 0 to 10.

    Returns:
        ``camera`` (as `placement` gives it), ``created`` (whether it is new), ``framed`` (number of objects),
        ``lens`` (millimetres), ``distance`` (Blender units from the camera to the middle of the objects).

    Raises:
        CommandError: An object is not known, the camera is none, or there is nothing to frame.
    """
    within("margin", margin, 0, 10)
    scene = bpy.context.scene
    eye = scene.camera if camera is None else editable_object(camera)
    if eye is not None and eye.type != "CAMERA":
        raise CommandError(f"{eye.name!r} is of type {eye.type}, not a camera")
    if names is None:
        items = [item for item in scene.objects if item.type not in WITHOUT_SHAPE and item.visible_get()]
    else:
        items = [find_object(name) for name in dict.fromkeys(names)]
    if not items:
        raise CommandError("There is nothing to frame: no object is named, or none in the scene is visible")
    created = eye is None
    if created:
        eye = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(eye)
    scene.camera = eye
    if view is None:
        view = "iso" if created else "keep"
    if view != "keep":
        looks = Vector(DIRECTIONS[view]).to_track_quat("-Z", "Y")
        eye.matrix_world = looks.to_matrix().to_4x4()
    bpy.context.view_layer.update()
    corners = [corner for item in items for corner in _corners(item)]
    low, high = (Vector(map(pick, zip(*corners, strict=True))) for pick in (min, max))
    middle, reach = (low + high) / 2, (high - low).length / 2
    if reach == 0:
        reach, corners = 1.0, _around(middle)
    _fit(eye, [middle + (corner - middle) * (1 + margin) for corner in corners], reach)
    bpy.context.view_layer.update()
    distance = (eye.matrix_world.translation - middle).length
    eye.data.clip_end = max(eye.data.clip_end, distance + 2 * reach)
    return {
        "camera": placement(eye),
        "created": created,
        "framed": len(items),
        "lens": rounded([eye.data.lens])[0],
        "distance": rounded([distance])[0],
    }


def _corners(item: Any) -> list[Vector]:
    """Return the corners of an object's box in the world; the place alone of one that has no shape."""
    if item.type in WITHOUT_SHAPE:
        return [item.matrix_world.translation.copy()]
    return [item.matrix_world @ Vector(corner) for corner in item.bound_box]


def _fit(eye: Any, corners: list[Vector], reach: float) -> None:
    """Move a camera along its own axes until it sees all corners, and let nothing of them be clipped.

    Args:
        eye: The camera.
        corners: What it must see.
        reach: Half the diagonal of that, Blender units.
    """
    world = eye.matrix_world.copy()
    turn = world.to_quaternion()
    if eye.data.type == "ORTHO":
        place = turn @ _fit_ortho(eye.data, [turn.inverted() @ corner for corner in corners], reach)
    else:
        depsgraph = bpy.context.evaluated_depsgraph_get()
        place, _ = eye.camera_fit_coords(depsgraph, [part for corner in corners for part in corner])
    nearest = min((corner - place).dot(turn @ Vector((0, 0, -1))) for corner in corners)
    if nearest > 0:
        eye.data.clip_start = min(eye.data.clip_start, nearest / 2)
    world.translation = place
    eye.matrix_world = world


def _fit_ortho(data: Any, corners: list[Vector], reach: float) -> Vector:
    """Set the width of an orthographic camera, and return its place in the frame of its own rotation.

    ``camera_fit_coords`` leaves out the picture's shape there.
    """
    low, high = (Vector(map(pick, zip(*corners, strict=True))) for pick in (min, max))
    frame = data.view_frame(scene=bpy.context.scene)
    left, right = (pick(corner.x for corner in frame) for pick in (min, max))
    bottom, top = (pick(corner.y for corner in frame) for pick in (min, max))
    factor = max((high.x - low.x) / (right - left), (high.y - low.y) / (top - bottom)) or 1.0
    data.ortho_scale *= factor
    aside = Vector((left + right, bottom + top)) * factor / 2  # the camera's own shift
    middle = (low + high) / 2
    return Vector((middle.x - aside.x, middle.y - aside.y, high.z + reach + data.clip_start))


def _around(middle: Vector) -> list[Vector]:
    """Return corners around a single point, such as an empty."""
    return [middle + Vector((x, y, z)) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
