"""Searching an API by words, on a small one."""

from hypothesis import given
from hypothesis import strategies as st

from p2m_blender.api_index import ApiIndex, Entry, words

ENTRIES = [
    Entry("bpy.ops.mesh.primitive_cube_add", "operator", "Construct a cube mesh that consists of six square faces"),
    Entry("bpy.ops.mesh.primitive_cube_add_gizmo", "operator", "Construct a cube mesh"),
    Entry("bpy.ops.object.delete", "operator", "Delete selected objects"),
    Entry("bpy.ops.object.shade_smooth", "operator", "Render and display faces smooth"),
    Entry("bpy.ops.uv.cube_project", "operator", "Project the UV vertices of the mesh over a cube"),
    Entry("bpy.types.BevelModifier", "type", "Bevel modifier to make edges and vertices more rounded"),
    Entry("bpy.types.BevelModifier.width", "property", "Bevel amount"),
    Entry("bpy.types.Area.width", "property", "Area width"),
    Entry("bpy.types.SubsurfModifier.levels", "property", "Number of subdivisions", "Subdivision surface modifier"),
    Entry("bpy.types.MultiresModifier.levels", "property", "Number of subdivisions", "Multiresolution mesh modifier"),
]
INDEX = ApiIndex(ENTRIES)


def best(query: str) -> str:
    return INDEX.search(query, 1)[0].path


def test_names_are_split_at_dots_underscores_and_capitals() -> None:
    assert list(words("bpy.types.BevelModifier.width_pct")) == ["bevel", "modifier", "width", "pct"]
    assert list(words("STLExporter2")) == ["stl", "exporter", "2"]


def test_forms_of_a_word_are_one_word() -> None:
    assert set(words("shade shading shaded shades")) == {"shad"}


def test_a_whole_name_finds_itself_first() -> None:
    for entry in ENTRIES:
        assert best(entry.path) == entry.path


def test_words_in_any_order_find_the_operator() -> None:
    assert best("add cube") == "bpy.ops.mesh.primitive_cube_add"
    assert best("smooth shading") == "bpy.ops.object.shade_smooth"


def test_an_entry_with_all_words_comes_before_one_with_some() -> None:
    assert best("bevel width") == "bpy.types.BevelModifier.width"


def test_what_a_property_belongs_to_counts() -> None:
    assert best("subdivision surface modifier levels") == "bpy.types.SubsurfModifier.levels"


def test_the_beginning_of_a_word_is_enough() -> None:
    assert best("delet obj") == "bpy.ops.object.delete"


def test_the_limit_is_kept_and_nothing_is_found_twice() -> None:
    results = INDEX.search("mesh cube modifier", 3)
    assert len(results) == len(set(results)) == 3


def test_words_that_nothing_has_find_nothing() -> None:
    assert INDEX.search("zeppelin", 5) == []
    assert INDEX.search("", 5) == []


@given(st.text(max_size=60), st.integers(1, 20))
def test_any_query_is_answered(query: str, limit: int) -> None:
    results = INDEX.search(query, limit)
    assert len(results) <= limit
    assert set(results) <= set(ENTRIES)
