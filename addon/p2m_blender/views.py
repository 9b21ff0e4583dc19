# SPDX-License-Identifier: GPL-3.0-or-later
"""Where to look at the scene from, and drawing what is seen there without moving the person's view.

Two ways of drawing:

- *Off screen* (`GPUOffScreen.draw_view3d`), in a Blender with a window, wireframe and solid: tens of milliseconds.
  Reading the window instead (``screen.screenshot_area``) gives black pictures on software OpenGL.
- *A render of a copy of the scene* from a camera of its own: without a window, and for materials and lights. Workbench
  draws solid and wireframe, Cycles the others: on software OpenGL Eevee takes ten seconds and more for what Cycles does
  in two with a few samples, and Eevee's viewport ignores a matrix that is not the person's.

Nothing of the person's is changed for longer than one command: the shading and overlays of their viewport are put back,
and the copy of the scene is removed.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import bpy
import numpy
from mathutils import Matrix, Vector

from .pictures import Picture
from .registry import CommandError

ViewName = Literal["user", "front", "back", "left", "right", "top", "bottom", "iso", "camera"]
Shading = Literal["solid", "material", "wireframe", "rendered"]

SAMPLES = 12
"""Of Cycles, for each pixel of a picture with materials: two seconds for 800x600 on two cores."""

_ASPECT = 4 / 3
_MARGIN = 1.1
"""How much larger than what is looked at a picture is."""

_LARGEST_HALF_SIZE = 1e6
_SMALLEST_HALF_SIZE = 1e-4
_TURNS = {
    "front": (math.pi / 2, 0.0),
    "back": (math.pi / 2, math.pi),
    "left": (math.pi / 2, -math.pi / 2),
    "right": (math.pi / 2, math.pi / 2),
    "top": (0.0, 0.0),
    "bottom": (math.pi, 0.0),
    "iso": (math.atan(math.sqrt(2)), math.pi / 4),
}
"""Each view's camera: turned from looking down by the first angle about X, then by the second about Z."""

_SOLID_BODIES = {
    "MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME", "GPENCIL", "GREASEPENCIL",
}  # fmt: skip
"""Types of objects that a view is made to contain; the others only when there are none of these."""


@dataclass(frozen=True)
class Eye:
    """A place to look from.

    Attributes:
        matrix_world: Of a camera that stands there.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        half_width: Half of the width that is seen, in Blender units, for a view without perspective.
        depth: How far it is to the last thing seen, in Blender units, for a view without perspective.
        camera: The scene's camera, if that is what is looked through.
        lens: Focal length of the person's view in millimetres for a sensor of 72, None without perspective.
    """

    matrix_world: Matrix
    width: int
    height: int
    half_width: float = 0.0
    depth: float = 0.0
    camera: Any = None
    lens: float | None = None

    def projection(self) -> Matrix:
        """Return the matrix that OpenGL projects with."""
        if self.camera is not None:
            render = bpy.context.scene.render
            return self.camera.calc_matrix_camera(
                bpy.context.evaluated_depsgraph_get(),
                x=self.width,
                y=self.height,
                scale_x=render.pixel_aspect_x,
                scale_y=render.pixel_aspect_y,
            )
        half_height = self.half_width * self.height / self.width
        return Matrix(
            (
                (1 / self.half_width, 0, 0, 0),
                (0, 1 / half_height, 0, 0),
                (0, 0, -2 / self.depth, -1),
                (0, 0, 0, 1),
            )
        )


def picture_of(
    view: ViewName, max_size: int, shading: Shading | None, turn: float | None = None
) -> tuple[str, Picture]:
    """Draw the scene.

    Args:
        view: Where from. "user" is the person's own view; without a window that of the scene's camera, or "iso".
        max_size: Longest side of the picture, in pixels; the person's own view is never drawn larger than it is.
        shading: How; None as the person sees it, and solid where they do not look themselves.
        turn: Radians by which the viewer goes round the scene, counter-clockwise seen from above; pictures that differ
            in it alone have one scale and one middle. Only for views that are made to contain everything. None turns
            nothing, and the picture is as close as this view allows.

    Returns:
        The view's name that was drawn, and the picture.

    Raises:
        CommandError: There is no viewport or no camera, the view does not turn, or nothing can be drawn.
    """
    if turn is not None and view not in _TURNS:
        raise CommandError(f"The view {view!r} is somebody's own and does not turn; choose one of: {', '.join(_TURNS)}")
    bpy.context.view_layer.update()  # a change in the same turn of Blender's loop has not moved matrices yet
    if bpy.app.background:
        if view == "user":
            view = "iso" if bpy.context.scene.camera is None else "camera"
        return view, _rendered(_eye(view, max_size, turn), shading or "solid")
    window, area, region = largest_viewport()
    with bpy.context.temp_override(window=window, area=area, region=region):
        if view == "user":
            return view, _user_picture(max_size, shading, area.spaces.active, region)
        eye = _eye(view, max_size, turn)
        if shading in {"material", "rendered"}:
            return view, _rendered(eye, shading)
        space = area.spaces.active
        usual = "WIREFRAME" if space.shading.type == "WIREFRAME" else "SOLID"
        with _looks(space, shading.upper() if shading else usual, overlays=False):
            drawn = _drawn(eye.width, eye.height, space, region, eye.matrix_world.inverted_safe(), eye.projection())
            return view, drawn


def largest_viewport() -> tuple[Any, Any, Any]:
    """Return window, area and region of the largest 3D viewport.

    Raises:
        CommandError: No window, or none that shows a 3D viewport.
    """
    windows = list(bpy.context.window_manager.windows)
    if not windows or bpy.app.background:
        raise CommandError("This Blender runs without a window, so nobody has a view of it")
    viewports = [(window, area) for window in windows for area in window.screen.areas if area.type == "VIEW_3D"]
    if not viewports:
        raise CommandError("No 3D viewport is open; switch to a workspace that shows one, for instance Layout")
    window, area = max(viewports, key=lambda pair: pair[1].width * pair[1].height)
    region = next(region for region in area.regions if region.type == "WINDOW")
    return window, area, region


def bounds(objects: list[Any] | None = None) -> tuple[Vector, Vector]:
    """Return the lowest and highest corner of objects in world space, in Blender units.

    Args:
        objects: Which; by default all that the viewport shows, with the instances they make.
    """
    boxes = list(_visible_boxes() if objects is None else ((item.matrix_world, item.bound_box) for item in objects))
    corners = [matrix @ Vector(corner) for matrix, box in boxes for corner in box]
    finite = [corner for corner in corners if all(map(math.isfinite, corner))] or [
        Vector((-1, -1, -1)),
        Vector((1, 1, 1)),
    ]
    low, high = (Vector(map(pick, zip(*finite, strict=True))) for pick in (min, max))
    return low, high


def _visible_boxes() -> Iterator[tuple[Matrix, Any]]:
    instances = bpy.context.evaluated_depsgraph_get().object_instances
    every = [
        (i.object.type, i.matrix_world.copy(), [tuple(c) for c in i.object.bound_box]) for i in instances if i.show_self
    ]
    bodies = [(matrix, box) for kind, matrix, box in every if kind in _SOLID_BODIES]
    return iter(bodies or [(matrix, box) for _, matrix, box in every])


def _eye(view: ViewName, max_size: int, turn: float | None = None) -> Eye:
    if view == "camera":
        return _camera_eye(max_size)
    width, height = _fitted(_ASPECT, max_size)
    about_x, about_z = _TURNS[view]
    low, high = bounds()
    if turn is not None:
        return _eye_on_a_ball(low, high, about_x, about_z + turn, (width, height))
    turned = _turned(about_x, about_z)
    seen = [turned.inverted() @ Vector(corner) for corner in itertools.product(*zip(low, high, strict=True))]
    left, right = min(p.x for p in seen), max(p.x for p in seen)
    lower, upper = min(p.y for p in seen), max(p.y for p in seen)
    far, near = min(p.z for p in seen), max(p.z for p in seen)
    half = max((right - left) / 2, (upper - lower) / 2 * width / height) * _MARGIN
    half = min(max(half, _SMALLEST_HALF_SIZE), _LARGEST_HALF_SIZE)
    gap = half  # in front of the nearest thing and behind the last
    place = turned @ Vector(((left + right) / 2, (lower + upper) / 2, near + gap))
    return Eye(Matrix.Translation(place) @ turned, width, height, half_width=half, depth=near - far + 2 * gap)


def _eye_on_a_ball(low: Vector, high: Vector, about_x: float, about_z: float, size: tuple[int, int]) -> Eye:
    """Return an eye that sees a ball around everything, so that going round changes neither scale nor middle."""
    width, height = size
    radius = (high - low).length / 2
    half = min(max(radius * max(1.0, width / height) * _MARGIN, _SMALLEST_HALF_SIZE), _LARGEST_HALF_SIZE)
    turned = _turned(about_x, about_z)
    place = (low + high) / 2 + turned @ Vector((0, 0, radius + half))
    return Eye(Matrix.Translation(place) @ turned, width, height, half_width=half, depth=2 * (radius + half))


def _turned(about_x: float, about_z: float) -> Matrix:
    return Matrix.Rotation(about_z, 4, "Z") @ Matrix.Rotation(about_x, 4, "X")


def _camera_eye(max_size: int) -> Eye:
    scene = bpy.context.scene
    if scene.camera is None:
        raise CommandError("The scene has no camera; add one and make it the scene's, or choose another view")
    render = scene.render
    aspect = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    width, height = _fitted(aspect, max_size)
    return Eye(scene.camera.matrix_world.copy(), width, height, camera=scene.camera)


def _fitted(aspect: float, max_size: int) -> tuple[int, int]:
    """Return width and height whose longer side is `max_size` pixels."""
    return (max_size, max(1, round(max_size / aspect))) if aspect >= 1 else (max(1, round(max_size * aspect)), max_size)


def _user_picture(max_size: int, shading: Shading | None, space: Any, region: Any) -> Picture:
    factor = min(1.0, max_size / max(region.width, region.height))
    width, height = max(1, int(region.width * factor)), max(1, int(region.height * factor))
    view = space.region_3d
    if shading in {"material", "rendered"}:
        return _rendered(_user_eye(view, space, width, height), shading)
    with _looks(space, shading.upper() if shading else space.shading.type, overlays=space.overlay.show_overlays):
        return _drawn(width, height, space, region, view.view_matrix, view.window_matrix)


def _user_eye(view: Any, space: Any, width: int, height: int) -> Eye:
    if view.view_perspective == "CAMERA" and space.camera is not None:
        return _camera_eye(max(width, height))
    matrix = view.view_matrix.inverted_safe()
    if view.is_perspective:
        return Eye(matrix, width, height, lens=space.lens)
    return Eye(matrix, width, height, half_width=1 / view.window_matrix[0][0], depth=space.clip_end)


def _drawn(width: int, height: int, space: Any, region: Any, view_matrix: Any, projection: Any) -> Picture:
    import gpu  # the bpy wheel has no such module, and no window that would need it

    target = gpu.types.GPUOffScreen(width, height)
    try:
        target.draw_view3d(
            bpy.context.scene,
            bpy.context.view_layer,
            space,
            region,
            view_matrix,
            projection,
            do_color_management=True,
        )
        pixels = target.texture_color.read()
    finally:
        target.free()
    pixels.dimensions = 4 * width * height  # of a nested buffer, bytes() would take the first dimension only
    return Picture.from_lowest_row(width, height, bytes(pixels))


@contextmanager
def _looks(space: Any, shading: str, *, overlays: bool) -> Iterator[None]:
    """Give the person's viewport another look for one drawing that they do not see."""
    before = space.shading.type, space.overlay.show_overlays
    try:
        _set_if_other(space.shading, "type", shading)
        _set_if_other(space.overlay, "show_overlays", overlays)
        yield
    finally:
        _set_if_other(space.shading, "type", before[0])
        _set_if_other(space.overlay, "show_overlays", before[1])


def _set_if_other(owner: Any, name: str, value: Any) -> None:
    """Set a property, unless it has the value: setting makes Blender draw the viewport again."""
    if getattr(owner, name) != value:
        setattr(owner, name, value)


def _rendered(eye: Eye, shading: Shading) -> Picture:
    """Render a copy of the scene from a camera of its own."""
    scene = bpy.context.scene.copy()
    made = [scene]
    try:
        if eye.camera is None:
            data = bpy.data.cameras.new("p2m view")
            camera = bpy.data.objects.new("p2m view", data)
            made += [data, camera]
            _place(camera, data, eye)
            scene.camera = camera
        if shading == "material":
            world = bpy.data.worlds.new("p2m even light")
            made.append(world)
            world.use_nodes = True
            background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
            background.inputs["Color"].default_value = (0.4, 0.4, 0.4, 1.0)
            scene.world = world
        _set_up(scene, eye, shading)
        with tempfile.TemporaryDirectory(prefix="p2m-view-") as directory:
            path = Path(directory) / "view.png"
            scene.render.filepath = str(path)
            try:
                bpy.ops.render.render(write_still=True, scene=scene.name)
            except RuntimeError as error:
                raise CommandError(f"Blender could not draw the view: {error}") from None
            if not path.exists():
                raise CommandError("Blender drew nothing: it renders already, or it has neither a display nor libEGL")
            return _loaded(path)
    finally:
        # And not scenes.remove(), which ends a Blender that has no window in its context (4.3: after a file was loaded
        # in one without a display).
        bpy.data.batch_remove(made)


def _place(camera: Any, data: Any, eye: Eye) -> None:
    camera.matrix_world = eye.matrix_world
    data.sensor_fit = "AUTO"
    if eye.lens is not None:
        data.sensor_width, data.lens = 72.0, eye.lens
        data.clip_start, data.clip_end = 0.01, 1e5
        return
    data.type = "ORTHO"
    data.ortho_scale = 2 * eye.half_width * max(1.0, eye.height / eye.width)
    data.clip_start, data.clip_end = 0.0, eye.depth


def _set_up(scene: Any, eye: Eye, shading: Shading) -> None:
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = eye.width, eye.height, 100
    render.use_border = render.use_compositing = render.use_sequencer = render.use_stamp = False
    render.use_file_extension = False
    render.film_transparent = False
    settings = render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5.0: the type of file first, then its format
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGB", "8"
    if shading in {"solid", "wireframe"}:
        render.engine = "BLENDER_WORKBENCH"
        scene.display.shading.type = shading.upper()
        scene.display.render_aa = "FXAA"
        scene.view_settings.view_transform = "Standard"
        return
    render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = False  # Debian's Blender is built without a denoiser


def _loaded(path: Path) -> Picture:
    """Read a picture's pixels back."""
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        values = numpy.empty(4 * width * height, numpy.float32)
        image.pixels.foreach_get(values)
        pixels = (values * 255 + 0.5).astype(numpy.uint8)
        return Picture.from_lowest_row(width, height, pixels.tobytes())
    finally:
        bpy.data.images.remove(image)
