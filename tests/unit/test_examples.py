"""Examples in a home: brought once, renewed while untouched, and never against the user."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2m_singleuser.examples import bring_examples

FIRST, SECOND = "1 First steps.ipynb", "2 Parametric model.ipynb"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Examples of an image."""
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / FIRST).write_text("first, edition 1")
    (folder / SECOND).write_text("second, edition 1")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def text(home: Path, name: str) -> str:
    return (home / "examples" / name).read_text()


def test_a_new_home_gets_all_and_a_second_start_writes_nothing(image: Path, home: Path) -> None:
    assert bring_examples(home, image) == [FIRST, SECOND]
    assert text(home, FIRST) == "first, edition 1"
    assert (home / "examples" / FIRST).stat().st_mode & 0o777 == 0o644
    before = (home / "examples" / FIRST).stat().st_mtime_ns
    assert bring_examples(home, image) == []
    assert (home / "examples" / FIRST).stat().st_mtime_ns == before
    assert sorted(path.name for path in (home / "examples").iterdir()) == [FIRST, SECOND]


def test_a_newer_image_renews_what_the_user_left_as_it_was(image: Path, home: Path) -> None:
    bring_examples(home, image)
    (home / "examples" / FIRST).write_text("mine")
    (image / FIRST).write_text("first, edition 2")
    (image / SECOND).write_text("second, edition 2")
    (image / "3 Light.ipynb").write_text("third")
    assert bring_examples(home, image) == [SECOND, "3 Light.ipynb"]
    assert text(home, FIRST) == "mine"
    assert text(home, SECOND) == "second, edition 2"


def test_what_the_user_removed_does_not_come_back(image: Path, home: Path) -> None:
    bring_examples(home, image)
    (home / "examples" / FIRST).unlink()
    (image / FIRST).write_text("first, edition 2")
    assert bring_examples(home, image) == []
    shutil.rmtree(home / "examples")
    (image / "3 Light.ipynb").write_text("third")
    assert bring_examples(home, image) == []
    assert not (home / "examples").exists()


def test_files_of_the_user_with_the_same_names_stay(image: Path, home: Path) -> None:
    (home / "examples").mkdir()
    (home / "examples" / FIRST).write_text("mine")
    (home / "examples" / SECOND).symlink_to("nowhere")
    assert bring_examples(home, image) == []
    assert text(home, FIRST) == "mine"
    assert (home / "examples" / SECOND).is_symlink()


def test_a_start_that_ended_before_its_note_is_made_up_for(image: Path, home: Path) -> None:
    bring_examples(home, image)
    (home / ".p2m" / "examples.json").write_text('{"1 First')
    assert bring_examples(home, image) == []
    (image / FIRST).write_text("first, edition 2")
    assert bring_examples(home, image) == [FIRST]


def test_a_file_where_the_folder_would_be_stays(image: Path, home: Path) -> None:
    (home / "examples").write_text("the user's")
    assert bring_examples(home, image) == []
    assert (home / "examples").read_text() == "the user's"


def test_a_home_that_cannot_be_written_is_an_error_and_leaves_no_parts(image: Path, home: Path) -> None:
    (home / ".p2m").write_text("in the way")
    with pytest.raises(OSError, match="p2m"):
        bring_examples(home, image)
    assert sorted(path.name for path in home.rglob("*")) == [".p2m", FIRST, SECOND, "examples"]


def test_an_image_without_examples_does_nothing(tmp_path: Path, home: Path) -> None:
    assert bring_examples(home, tmp_path / "none") == []
    assert list(home.iterdir()) == []


steps = st.lists(st.sampled_from(["start", "new edition", "edit", "remove", "undo edit"]), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=steps)
def test_whatever_happens_the_users_own_text_and_removals_stay(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    root = tmp_path_factory.mktemp("course")
    image, home = root / "image", root / "home"
    image.mkdir()
    home.mkdir()
    (image / "other").write_text("keeps the folder alive")
    source, mine = image / FIRST, home / "examples" / FIRST
    edition, brought, users, removed = 1, "", False, False
    source.write_text("edition 1")
    for step in steps:
        match step:
            case "start":
                bring_examples(home, image)
                if not users and not removed:
                    brought = f"edition {edition}"
            case "new edition":
                edition += 1
                source.write_text(f"edition {edition}")
            case "edit" if mine.exists():
                mine.write_text("the user's")
                users = True
            case "undo edit" if users and mine.exists():
                mine.write_text(brought)
                users = False
            case "remove" if mine.exists():
                mine.unlink()
                users, removed = False, True
        expected = None if removed or not brought else "the user's" if users else brought
        assert (mine.read_text() if mine.exists() else None) == expected


SHIPPED = sorted((Path(__file__).resolve().parents[2] / "singleuser_image/examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_notebooks_are_valid_and_have_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# ")
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_all_promised_subjects_are_there() -> None:
    assert [path.stem for path in SHIPPED] == [
        "1 First steps",
        "2 Parametric model",
        "3 Materials and light",
        "4 Animation as a job",
        "5 Mesh check for printing",
        "6 An agent at work",
    ]
