"""Files that clients name stay in the home."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2m_blender import paths
from p2m_blender.registry import CommandError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.mark.parametrize("path", ["models/chair.blend", "~/models/chair.blend", "./models//chair.blend"])
def test_a_path_is_relative_to_the_home(home: Path, path: str):
    assert paths.inside_home(path) == home / "models/chair.blend"


def test_an_absolute_path_in_the_home_is_itself(home: Path):
    assert paths.inside_home(str(home / "a.png")) == home / "a.png"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("../secret", "'..'"),
        ("a/../b", "'..'"),
        ("~/../secret", "'..'"),
        ("/etc/passwd", "outside the home"),
        ("~root/x/../../..", "'..'"),
        ("", "empty"),
        (" ", "empty"),
        ("a\0b", "cannot be used"),
        ("x" * 5000, "cannot be used"),
        ("\ud800", "cannot be used"),
    ],
)
def test_a_path_that_leads_elsewhere_or_nowhere_is_refused(home: Path, path: str, says: str):
    with pytest.raises(CommandError, match=says):
        paths.inside_home(path)


def test_a_sibling_with_the_homes_name_as_its_beginning_is_outside(home: Path):
    with pytest.raises(CommandError, match="outside the home"):
        paths.inside_home(f"{home}-of-another/x")


def test_links_are_followed_before_the_home_is_compared(home: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("s")
    (home / "out").symlink_to(tmp_path / "secret")
    (home / "outer").symlink_to(tmp_path, target_is_directory=True)
    (home / "real").mkdir()
    (home / "inner").symlink_to(home / "real", target_is_directory=True)
    for path in ("out", "outer/secret", "outer/new/file"):
        with pytest.raises(CommandError, match="outside the home"):
            paths.inside_home(path)
    assert paths.inside_home("inner/x") == home / "real/x"


def test_a_circle_of_links_is_refused(home: Path):
    (home / "a").symlink_to(home / "b")
    (home / "b").symlink_to(home / "a")
    with pytest.raises(CommandError):
        paths.file_to_read("a")


def test_a_home_that_is_a_link_counts_as_where_it_leads(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    link = tmp_path / "link"
    link.symlink_to(home, target_is_directory=True)
    monkeypatch.setenv("HOME", str(link))
    assert paths.inside_home(f"{link}/a") == home / "a"
    assert paths.shown(home / "a") == "a"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "~", "a", "out", "/", "", "etc", "\u2025", "..."]), max_size=6))
def test_whatever_is_accepted_is_in_the_home(home: Path, parts: list[str]):
    out = home / "out"
    if not out.is_symlink():
        out.symlink_to("/etc", target_is_directory=True)
    path = "/".join(parts)
    try:
        found = paths.inside_home(path)
    except CommandError:
        return
    assert found.is_relative_to(home)
    assert found == found.resolve()


def test_a_missing_file_brings_similar_names(home: Path):
    (home / "textures").mkdir()
    (home / "textures/wood_oak.png").touch()
    with pytest.raises(CommandError, match=r"Similar: textures/wood_oak\.png\."):
        paths.file_to_read("textures/wood-oak.png")
    with pytest.raises(CommandError, match=r"The folder 'textures' holds wood_oak\.png\."):
        paths.file_to_read("textures/deep/zzz")


def test_a_folder_is_no_file_and_a_file_no_folder(home: Path):
    (home / "f").mkdir()
    (home / "f/x.png").touch()
    with pytest.raises(CommandError, match=r"is a folder; it holds x\.png"):
        paths.file_to_read("f")
    with pytest.raises(CommandError, match="name a file in it"):
        paths.file_to_write("f", overwrite=True)
    with pytest.raises(CommandError, match="is a file"):
        paths.folder_to_read("f/x.png")
    assert paths.folder_to_read("f") == home / "f"
    assert paths.folder_to_read() == home


def test_a_file_is_read_only_with_an_ending_that_fits(home: Path):
    (home / "A.PNG").touch()
    assert paths.file_to_read("A.PNG", {".png"}) == home / "A.PNG"
    with pytest.raises(CommandError, match=r"must end in one of \.exr, \.hdr"):
        paths.file_to_read("A.PNG", {".hdr", ".exr"})


def test_a_file_is_overwritten_only_on_request_and_its_folders_come_into_being(home: Path):
    target = paths.file_to_write("new/deep/x.glb", {".glb"})
    assert target == home / "new/deep/x.glb"
    assert target.parent.is_dir()
    target.touch()
    with pytest.raises(CommandError, match="exists already"):
        paths.file_to_write("new/deep/x.glb")
    assert paths.file_to_write("new/deep/x.glb", overwrite=True) == target
    with pytest.raises(CommandError, match="cannot be created"):
        paths.file_to_write("new/deep/x.glb/y")
