# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mesh can be printed, told from its numbers: what is wrong, and what mends it. No Blender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class MeshFacts:
    """What was counted on a mesh, with modifiers applied.

    Attributes:
        faces: Faces.
        loose_vertices: Vertices that belong to no edge.
        loose_edges: Edges that belong to no face.
        boundary_edges: Edges of one face only: the rims of holes.
        crowded_edges: Edges of three faces and more.
        pinched_vertices: Vertices in which two surfaces touch in one point only.
        duplicate_vertices: Vertices at the same place as another one.
        inconsistent_edges: Edges whose two faces look to different sides.
        flipped_faces: Faces that look inwards.
        degenerate_faces: Faces without an area.
        self_intersecting_faces: Faces that run through others; None when that was not looked for.
    """

    faces: int
    loose_vertices: int = 0
    loose_edges: int = 0
    boundary_edges: int = 0
    crowded_edges: int = 0
    pinched_vertices: int = 0
    duplicate_vertices: int = 0
    inconsistent_edges: int = 0
    flipped_faces: int = 0
    degenerate_faces: int = 0
    self_intersecting_faces: int | None = 0

    @property
    def manifold(self) -> bool:
        """Whether the mesh encloses a volume without holes, loose parts or surfaces that branch."""
        return self.faces > 0 and not (
            self.loose_vertices
            or self.loose_edges
            or self.boundary_edges
            or self.crowded_edges
            or self.pinched_vertices
        )

    @property
    def normals_consistent(self) -> bool:
        """Whether all faces look outwards, as far as there is an outside."""
        return not (self.inconsistent_edges or self.flipped_faces)


def problems(facts: MeshFacts) -> list[str]:
    """Return a sentence for each thing that keeps a mesh from being printed; each ends with what mends it."""
    return list(_problems(facts))


def _problems(facts: MeshFacts) -> Iterator[str]:
    if not facts.faces:
        yield "There are no faces, so nothing to print; give the object a surface."
    if facts.boundary_edges:
        merge = "merge vertices by distance first, then " if facts.duplicate_vertices else ""
        yield (
            f"{_count(facts.boundary_edges, 'edge has', 'edges have')} a face on one side only, so the surface has "
            f"holes or no thickness: {merge}fill the holes (bmesh.ops.holes_fill) or add a Solidify modifier."
        )
    if facts.crowded_edges:
        yield (
            f"{_count(facts.crowded_edges, 'edge has', 'edges have')} three faces or more: delete the faces inside, or "
            "join the parts with a Boolean union or a Remesh modifier."
        )
    if facts.pinched_vertices:
        yield (
            f"{_count(facts.pinched_vertices, 'vertex joins', 'vertices join')} surfaces in one point only: move the "
            "parts apart or let them overlap and unite them (Boolean)."
        )
    if facts.loose_vertices or facts.loose_edges:
        yield (
            f"{_count(facts.loose_vertices, 'vertex', 'vertices')} and {_count(facts.loose_edges, 'edge', 'edges')} "
            "belong to no face: delete the loose geometry."
        )
    if facts.duplicate_vertices and not facts.boundary_edges:
        yield (
            f"{_count(facts.duplicate_vertices, 'vertex lies', 'vertices lie')} where another one is: merge vertices "
            "by distance (bmesh.ops.remove_doubles)."
        )
    if not facts.normals_consistent:
        what = f"{_count(facts.flipped_faces, 'face looks', 'faces look')} inwards"
        if not facts.flipped_faces:
            what = f"Faces beside {_count(facts.inconsistent_edges, 'edge', 'edges')} look to different sides"
        yield f"{what}: recalculate the normals to the outside (bmesh.ops.recalc_face_normals)."
    if facts.degenerate_faces:
        yield (
            f"{_count(facts.degenerate_faces, 'face has', 'faces have')} no area: dissolve them "
            "(bmesh.ops.dissolve_degenerate)."
        )
    if facts.self_intersecting_faces:
        yield (
            f"{_count(facts.self_intersecting_faces, 'face runs', 'faces run')} through others: unite the parts with a "
            "Boolean union with self-intersection on, or a Remesh modifier."
        )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
