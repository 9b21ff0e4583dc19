# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh primitives, built as Blender's own *Add* menu does but without an operator: centred, with a UV map.

Each function returns a new ``BMesh`` that the caller frees. Lengths are Blender units; sizes are checked with a
`CommandError`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import bmesh

from .values import positive, within

MOST_SEGMENTS = 1000
"""Most segments along one direction: a million faces for a grid or a torus."""

MOST_SUBDIVISIONS = 8
"""Of an ico sphere: 327,680 faces."""


def cube(size: float = 2.0) -> Any:
    """Build a cube with edges of length `size`."""
    positive("size", size)
    return _built(bmesh.ops.create_cube, size=size)


def plane(size: float = 2.0) -> Any:
    """Build a square with edges of length `size`, facing up."""
    return grid(size, 1, 1)


def grid(size: float = 2.0, x_segments: int = 10, y_segments: int = 10) -> Any:
    """Build a square of `x_segments` times `y_segments` faces."""
    positive("size", size)
    within("x_segments", x_segments, 1, MOST_SEGMENTS)
    within("y_segments", y_segments, 1, MOST_SEGMENTS)
    return _built(bmesh.ops.create_grid, x_segments=x_segments, y_segments=y_segments, size=size / 2)


def circle(radius: float = 1.0, segments: int = 32, filled: bool = False) -> Any:
    """Build a ring of edges, or a disc when `filled`."""
    positive("radius", radius)
    within("segments", segments, 3, MOST_SEGMENTS)
    return _built(bmesh.ops.create_circle, cap_ends=filled, segments=segments, radius=radius)


def uv_sphere(radius: float = 1.0, segments: int = 32, rings: int = 16) -> Any:
    """Build a sphere of meridians and parallels."""
    positive("radius", radius)
    within("segments", segments, 3, MOST_SEGMENTS)
    within("rings", rings, 3, MOST_SEGMENTS)
    return _built(bmesh.ops.create_uvsphere, u_segments=segments, v_segments=rings, radius=radius)


def ico_sphere(radius: float = 1.0, subdivisions: int = 2) -> Any:
    """Build a sphere of triangles."""
    positive("radius", radius)
    within("subdivisions", subdivisions, 1, MOST_SUBDIVISIONS)
    return _built(bmesh.ops.create_icosphere, subdivisions=subdivisions, radius=radius)


def cylinder(radius: float = 1.0, depth: float = 2.0, segments: int = 32) -> Any:
    """Build a closed cylinder along z."""
    positive("radius", radius)
    return _cone(radius, radius, depth, segments)


def cone(radius: float = 1.0, top_radius: float = 0.0, depth: float = 2.0, segments: int = 32) -> Any:
    """Build a closed cone along z, cut off when `top_radius` is above 0."""
    within("radius", radius, 0)
    within("top_radius", top_radius, 0)
    positive("radius or top_radius", max(radius, top_radius))
    return _cone(radius, top_radius, depth, segments)


def torus(radius: float = 1.0, tube_radius: float = 0.25, segments: int = 48, tube_segments: int = 12) -> Any:
    """Build a ring around z: `radius` to the middle of a tube of `tube_radius`."""
    positive("radius", radius)
    positive("tube_radius", tube_radius)
    within("segments", segments, 3, MOST_SEGMENTS)
    within("tube_segments", tube_segments, 3, MOST_SEGMENTS)
    shape = bmesh.new()
    uv = shape.loops.layers.uv.new("UVMap")
    around = [_on_circle(index / segments) for index in range(segments)]
    across = [_on_circle(index / tube_segments) for index in range(tube_segments)]
    corners = [
        [
            shape.verts.new(((radius + tube_radius * c) * x, (radius + tube_radius * c) * y, tube_radius * s))
            for c, s in across
        ]
        for x, y in around
    ]
    for i in range(segments):
        for j in range(tube_segments):
            steps = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
            face = shape.faces.new([corners[a % segments][b % tube_segments] for a, b in steps])
            for loop, (a, b) in zip(face.loops, steps, strict=True):
                loop[uv].uv = (a / segments, b / tube_segments)
    return shape


def monkey(size: float = 2.0) -> Any:
    """Build Suzanne, Blender's test head; `size` 2 is her usual one."""
    positive("size", size)
    shape = _built(bmesh.ops.create_monkey)
    bmesh.ops.scale(shape, vec=[size / 2] * 3, verts=shape.verts)
    return shape


SHAPES: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (cube, plane, circle, uv_sphere, ico_sphere, cylinder, cone, torus, grid, monkey)
}
"""The primitives by name."""


def _cone(radius: float, top_radius: float, depth: float, segments: int) -> Any:
    positive("depth", depth)
    within("segments", segments, 3, MOST_SEGMENTS)
    return _built(
        bmesh.ops.create_cone, cap_ends=True, segments=segments, radius1=radius, radius2=top_radius, depth=depth
    )


def _built(operator: Callable[..., Any], **options: Any) -> Any:
    shape = bmesh.new()
    shape.loops.layers.uv.new("UVMap")  # the operators fill a UV map only if there is one
    operator(shape, calc_uvs=True, **options)
    return shape


def _on_circle(share: float) -> tuple[float, float]:
    return math.cos(2 * math.pi * share), math.sin(2 * math.pi * share)
