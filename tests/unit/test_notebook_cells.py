"""Cells on their way into Blender and back, run here by plain Python: what they print, hand back and fail with."""

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2m_singleuser.notebook import cells, magics
from p2m_singleuser.notebook.errors import BlenderFailed, BlenderProblem, CodeFailed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def run(
    source: str, inputs: dict[str, Any] | None = None, outputs: list[str] | None = None
) -> tuple[str, dict[str, Any]]:
    """Do what Blender and the MCP server do with a cell."""
    prepared = cells.prepare(source, inputs or {}, outputs or [])
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(prepared.code, {"__name__": "__main__", "bpy": "here"})  # noqa: S102
    except BaseException as error:  # noqa: BLE001
        said = f"{type(error).__name__}: …\n\nTraceback …\n\nPrinted before the error:\n{printed.getvalue()}"
        raise prepared.failure(said) from None
    return prepared.read(printed.getvalue())


@given(values=st.dictionaries(st.sampled_from(["a", "b", "größe"]), JSON))
def test_variables_come_back_as_they_went(values: dict[str, Any]) -> None:
    assert run("", values, list(values)) == ("", values)


def test_output_and_the_last_value_are_shown() -> None:
    assert run("print('hi')\nbpy") == ("hi\n'here'\n", {})
    assert run("x = 1")[0] == ""
    assert run("None")[0] == ""


@given(st.text())
def test_a_text_of_any_kind_comes_through(text: str) -> None:
    assert run("print(text, end='')", {"text": text}) == (text, {})


def test_the_cell_sees_no_names_of_the_runner() -> None:
    assert run("sorted(name for name in dir() if not name.startswith('__'))")[0] == "['bpy']\n"


def test_a_traceback_has_the_cells_own_lines() -> None:
    with pytest.raises(CodeFailed) as caught:
        run("print('before')\n\ndef halve(x):\n    return x / 0\n\nhalve(3)")
    shown = "\n".join(caught.value._render_traceback_())
    assert shown.count("File ") == 2
    assert 'File "<cell>", line 6, in <module>\n    halve(3)' in shown
    assert 'File "<cell>", line 4, in halve\n    return x / 0' in shown
    assert shown.endswith("ZeroDivisionError: division by zero")
    assert (caught.value.kind, caught.value.output) == ("ZeroDivisionError", "before\n")


def test_a_mistake_in_syntax_is_shown_at_its_place() -> None:
    with pytest.raises(CodeFailed, match="SyntaxError") as caught:
        run("x = 1\nif x\n    pass")
    assert caught.value._render_traceback_()[0] == '  File "<cell>", line 2'


def test_a_cell_may_begin_with_an_import_of_the_future() -> None:
    assert run("from __future__ import annotations\nx: int = 3\nx") == ("3\n", {})


def test_the_end_of_a_program_is_an_error_of_the_cell() -> None:
    with pytest.raises(CodeFailed, match="SystemExit: 3"):
        run("import sys\nsys.exit(3)")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = object()", "-o x: a object cannot be handed back as JSON .object inside.. Hand back numbers"),
        ("y = 1", "-o x: the cell has set no variable 'x'"),
        ("x = []\nx.append(x)", "-o x: a list cannot be handed back as JSON"),
    ],
)
def test_what_cannot_be_handed_back_is_named(source: str, message: str) -> None:
    with pytest.raises(CodeFailed, match=message):
        run(source, outputs=["x"])


def test_vectors_and_sets_come_back_as_lists() -> None:
    source = (
        "class Vector:\n  def __len__(self): return 2\n  def __getitem__(self, i): return (1.5, 2)[i]\n"
        "v = [Vector()]\ns = {2, 1}"
    )
    assert run(source, outputs=["v", "s"])[1] == {"v": [[1.5, 2]], "s": [1, 2]}


def test_what_cannot_be_passed_in_is_named() -> None:
    with pytest.raises(BlenderProblem, match="-i f: a function cannot go to Blender as JSON"):
        cells.prepare("f", {"f": lambda: 1}, [])


@pytest.mark.parametrize("name", ["a b", "1a", "class", "a.b", ""])
def test_only_names_of_variables_are_passed(name: str) -> None:
    for inputs, outputs in (({name: 1}, []), ({}, [name])):
        with pytest.raises(BlenderProblem, match="is no name of a variable"):
            cells.prepare("", inputs, outputs)


def test_an_error_before_the_cell_began_stays_the_servers() -> None:
    failure = cells.prepare("x", {}, []).failure("Blender is restarting, try again in 3 s.")
    assert isinstance(failure, BlenderFailed)
    assert str(failure).startswith("Blender is restarting")


def test_a_cell_cannot_end_its_output_early() -> None:
    prepared = cells.prepare("", {}, [])
    printed = f"\x1e0\x1e{json.dumps({'outputs': {'x': 1}})}\n{prepared.mark}{json.dumps({'outputs': {}})}\n"
    assert prepared.read(printed)[1] == {}


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1), max_size=3))
def test_names_may_be_in_one_option_or_in_several(groups: list[list[str]]) -> None:
    assert magics.names([",".join(group) for group in groups]) == [name for group in groups for name in group]
    assert magics.names([" , ".join(group) + "," for group in groups]) == [name for group in groups for name in group]
