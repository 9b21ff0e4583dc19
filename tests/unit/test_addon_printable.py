"""What keeps a mesh from being printed, in sentences."""

import pytest

from p2m_blender.printable import MeshFacts, problems


def test_a_sound_mesh_has_no_problems() -> None:
    facts = MeshFacts(faces=6)
    assert problems(facts) == []
    assert facts.manifold
    assert facts.normals_consistent


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (MeshFacts(faces=0), "nothing to print"),
        (MeshFacts(faces=5, boundary_edges=4), "4 edges have a face on one side only"),
        (MeshFacts(faces=5, boundary_edges=4, duplicate_vertices=2), "merge vertices by distance first"),
        (MeshFacts(faces=9, crowded_edges=1), "1 edge has three faces or more"),
        (MeshFacts(faces=12, pinched_vertices=1), "1 vertex joins surfaces in one point"),
        (MeshFacts(faces=6, loose_vertices=1, loose_edges=2), "1 vertex and 2 edges belong to no face"),
        (MeshFacts(faces=6, duplicate_vertices=8), "8 vertices lie where another one is"),
        (MeshFacts(faces=6, flipped_faces=1, inconsistent_edges=4), "1 face looks inwards"),
        (MeshFacts(faces=6, inconsistent_edges=4), "beside 4 edges look to different sides"),
        (MeshFacts(faces=6, degenerate_faces=2), "2 faces have no area"),
        (MeshFacts(faces=12, self_intersecting_faces=2), "2 faces run through others"),
    ],
)
def test_each_problem_is_one_sentence_with_what_mends_it(facts: MeshFacts, says: str) -> None:
    (problem,) = problems(facts)
    assert says in problem
    assert problem.endswith(".")


def test_intersections_that_were_not_looked_for_are_no_problem() -> None:
    assert problems(MeshFacts(faces=6, self_intersecting_faces=None)) == []
