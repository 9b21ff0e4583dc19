# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a mesh sound, and can it be printed?"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import bmesh
import bpy
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from ..printable import MeshFacts, problems
from ..registry import CommandError, command

INTERSECTION_FACES = 300_000
"""Most faces that are searched for intersections; it takes about a second for so many."""

_SAME_PLACE = 1e-6
_NO_AREA = 1e-12
"""Share of the longest dimension, and of its square, below which a distance or an area counts as none."""


@dataclass(frozen=True)
class _Part:
    """A piece of a mesh that hangs together.

    Attributes:
        faces: Its faces.
        closed: Whether each edge has two faces that agree on the outside.
        volume: Signed: negative when the faces look inwards.
    """

    faces: list[Any]
    closed: bool
    volume: float

    @cached_property
    def box(self) -> tuple[Vector, Vector]:
        """Its lowest and its highest corner."""
        return _box(vertex for face in self.faces for vertex in face.verts)

    def encloses(self, other: _Part) -> bool:
        """Return whether another part's box is inside this one's."""
        (low, high), (other_low, other_high) = self.box, other.box
        return all(map(operator.lt, low, other_low)) and all(map(operator.gt, high, other_high))


@command("check_mesh")
def check_mesh(name: str) -> dict[str, Any]:
    """Check an object's surface as modifiers show it, in world space.

    Args:
        name: The object; of any type that Blender can turn into a mesh.

    Returns:
        ``name``; ``ready_to_print``; ``problems`` (sentences, each with what mends it); ``manifold``,
        ``normals_consistent``; ``vertices``, ``edges``; the counts of `MeshFacts`; ``parts`` (pieces that hang
        together); ``volume`` (cubic Blender units; null when the surface is not closed), ``area`` (square Blender
        units), ``dimensions`` (along the world's axes, Blender units), ``dimensions_mm``.

    Raises:
        CommandError: There is no object of this name, or it has no surface.
    """
    item = bpy.data.objects.get(name)
    if item is None:
        raise CommandError(f"Object not found: {name}")
    with _surface(item) as surface:
        facts, parts = _examine(surface)
        low, high = _box(surface.verts)
        dimensions = high - low
        millimetres = bpy.context.scene.unit_settings.scale_length * 1000
        complaints = problems(facts)
        closed = bool(parts) and all(part.closed for part in parts)
        return {
            "name": name,
            "ready_to_print": not complaints,
            "problems": complaints,
            "manifold": facts.manifold,
            "normals_consistent": facts.normals_consistent,
            "vertices": len(surface.verts),
            "edges": len(surface.edges),
            **asdict(facts),
            "parts": len(parts),
            "volume": _number(abs(sum(part.volume for part in parts))) if closed else None,
            "area": _number(sum(face.calc_area() for face in surface.faces)),
            "dimensions": [_number(value) for value in dimensions],
            "dimensions_mm": [_number(value * millimetres) for value in dimensions],
        }


@contextmanager
def _surface(item: Any) -> Iterator[Any]:
    """Return the evaluated object's mesh in world space, as a BMesh that ends with the block.

    Raises:
        CommandError: The object has no surface.
    """
    bpy.context.view_layer.update()
    if item.mode == "EDIT":
        item.update_from_editmode()
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    surface = bmesh.new()
    try:
        try:
            mesh = evaluated.to_mesh()
        except RuntimeError:
            mesh = None
        if mesh is None or not mesh.vertices:
            raise CommandError(f"{item.name!r} is of type {item.type} and has no surface; check a mesh object.")
        surface.from_mesh(mesh)
        evaluated.to_mesh_clear()
        surface.transform(item.matrix_world.to_3x3().to_4x4())  # not moved: far from the origin digits are lost
        if item.matrix_world.determinant() < 0:  # mirrored: what looked outwards looks inwards now
            bmesh.ops.reverse_faces(surface, faces=surface.faces[:])
        surface.normal_update()
        yield surface
    finally:
        surface.free()


def _examine(surface: Any) -> tuple[MeshFacts, list[_Part]]:
    low, high = _box(surface.verts)
    size = max(high - low) or 1.0
    by_faces = [len(edge.link_faces) for edge in surface.edges]
    doubles = bmesh.ops.find_doubles(surface, verts=surface.verts[:], dist=size * _SAME_PLACE)["targetmap"]
    intersecting = None
    if len(surface.faces) <= INTERSECTION_FACES:
        tree = BVHTree.FromBMesh(surface, epsilon=size * _SAME_PLACE)
        intersecting = len({index for pair in tree.overlap(tree) for index in pair})
    parts = list(_parts(surface))
    facts = MeshFacts(
        faces=len(surface.faces),
        loose_vertices=sum(1 for vertex in surface.verts if not vertex.link_edges),
        loose_edges=by_faces.count(0),
        boundary_edges=by_faces.count(1),
        crowded_edges=sum(1 for number in by_faces if number > 2),
        pinched_vertices=sum(1 for vertex in surface.verts if _is_pinched(vertex)),
        duplicate_vertices=len(doubles),
        inconsistent_edges=sum(
            1 for edge, number in zip(surface.edges, by_faces, strict=True) if number == 2 and not edge.is_contiguous
        ),
        flipped_faces=_flipped(surface, parts),
        degenerate_faces=sum(1 for face in surface.faces if face.calc_area() <= size * size * _NO_AREA),
        self_intersecting_faces=intersecting,
    )
    return facts, parts


def _is_pinched(vertex: Any) -> bool:
    """Return whether all edges of a vertex have two faces and yet its faces are not one fan."""
    return (
        bool(vertex.link_edges)
        and not vertex.is_manifold
        and all(len(edge.link_faces) == 2 for edge in vertex.link_edges)
    )


def _parts(surface: Any) -> Iterator[_Part]:
    """Return the pieces that hang together by edges."""
    seen: set[int] = set()
    surface.faces.index_update()
    for first in surface.faces:
        if first.index in seen:
            continue
        seen.add(first.index)
        faces, position, closed = [first], 0, True
        while position < len(faces):
            for edge in faces[position].edges:
                closed = closed and len(edge.link_faces) == 2 and edge.is_contiguous
                for face in edge.link_faces:
                    if face.index not in seen:
                        seen.add(face.index)
                        faces.append(face)
            position += 1
        yield _Part(faces, closed, _volume(faces))


def _volume(faces: Iterable[Any]) -> float:
    """Return the signed volume that faces enclose, by the cones from the origin over their triangles."""
    total = 0.0
    for face in faces:
        first, *others = (vertex.co for vertex in face.verts)
        for second, third in itertools.pairwise(others):
            total += first.dot(second.cross(third))
    return total / 6


def _flipped(surface: Any, parts: list[_Part]) -> int:
    """Return how many faces look inwards.

    A closed part tells by its volume; the surface of a cavity is meant to look inwards. In other parts Blender's own
    idea of the outside decides, but only if the faces contradict each other: an open sheet has no outside.
    """
    flipped = 0
    unclear = []
    for part in parts:
        if part.closed:
            if part.volume < 0 and not any(other.encloses(part) for other in parts if other is not part):
                flipped += len(part.faces)
        elif any(not edge.is_contiguous for face in part.faces for edge in face.edges if len(edge.link_faces) == 2):
            unclear.extend(part.faces)
    if unclear:
        before = [face.normal.copy() for face in unclear]
        bmesh.ops.recalc_face_normals(surface, faces=unclear)
        flipped += sum(1 for face, normal in zip(unclear, before, strict=True) if face.normal.dot(normal) < 0)
    return flipped


def _box(vertices: Iterable[Any]) -> tuple[Vector, Vector]:
    along = list(zip(*(vertex.co for vertex in vertices), strict=True))
    low, high = (Vector(map(pick, along)) for pick in (min, max))
    return low, high


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None
