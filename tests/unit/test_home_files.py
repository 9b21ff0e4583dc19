"""Files that clients may see: whatever path they send, nothing outside the home is given out."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2m_singleuser.home_files import MAX_FILE_BYTES, HomeFileError, HomeFiles, mime_type_of, uri_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("home-files")
    home = base / "home"
    (home / "models" / "old").mkdir(parents=True)
    (home / ".ssh").mkdir()
    (base / "secret.txt").write_text("of somebody else")
    (base / "home-of-another").mkdir()
    (base / "home-of-another" / "secret.txt").write_text("of somebody else")
    (home / "scene.blend").write_bytes(b"BLENDER")
    (home / "models" / "chair.GLB").write_bytes(b"glTF")
    (home / "models" / "old" / "chair.glb").write_bytes(b"glTF2")
    (home / ".ssh" / "id").write_text("hidden")
    (home / ".profile").write_text("hidden")
    (home / "out.txt").symlink_to(base / "secret.txt")
    (home / "outside").symlink_to(base)
    (home / "key").symlink_to(home / ".ssh" / "id")
    (home / "again.blend").symlink_to(home / "scene.blend")
    (home / "circle").symlink_to(home / "circle")
    (home / "nothing").symlink_to(home / "not-there")
    return home


@pytest.mark.parametrize("path", ["scene.blend", "~/scene.blend", "./models/../scene.blend", "again.blend"])
def test_a_path_inside_is_found(home: Path, path: str) -> None:
    assert HomeFiles(home).resolve(path) == home / "scene.blend"


def test_an_absolute_path_inside_is_found(home: Path) -> None:
    assert HomeFiles(home).read(str(home / "scene.blend")) == (home / "scene.blend", b"BLENDER")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("../secret.txt", "outside the home"),
        ("../../../../../../etc/passwd", "outside the home"),
        ("/etc/passwd", "outside the home"),
        ("~/../secret.txt", "outside the home"),
        ("../home-of-another/secret.txt", "outside the home"),
        ("out.txt", "outside the home"),
        ("outside/secret.txt", "outside the home"),
        (".ssh/id", "hidden"),
        (".profile", "hidden"),
        ("key", "hidden"),
        ("circle", "path"),
        ("", "empty"),
        ("a\0b", "not a path"),
        ("x" * 5000, "no usable path"),
        ("models", "is a folder"),
        ("not-there.png", "no file"),
        ("nothing", "no file"),
    ],
)
def test_what_is_not_given_out_is_refused_with_a_reason(home: Path, path: str, says: str) -> None:
    with pytest.raises(HomeFileError, match=says):
        HomeFiles(home).read(path)


PARTS = st.sampled_from(["..", ".", "/", "~", "models", "old", "outside", "out.txt", ".ssh", "id", "key", "secret.txt"])
PATHS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=8).map("/".join), st.lists(PARTS, max_size=6).map("".join), st.text()
)


@settings(max_examples=500, deadline=None)
@given(PATHS)
def test_no_path_leads_out_or_to_hidden_files(home: Path, path: str) -> None:
    try:
        found, data = HomeFiles(home).read(path)
    except HomeFileError as error:
        assert str(error).endswith((".", "]"))
    else:
        assert found.is_relative_to(home)
        assert data not in {b"hidden", b"of somebody else"}


def test_files_are_listed_in_order_without_hidden_ones_and_links_that_lead_out(home: Path) -> None:
    files, total = HomeFiles(home).list()
    assert [file.path for file in files] == [
        "again.blend",
        "models/chair.GLB",
        "models/old/chair.glb",
        "scene.blend",
    ]
    assert total == 4
    assert files[-1].size == 7
    assert files[-1].modified.endswith("+00:00")


@pytest.mark.parametrize(
    ("folder", "pattern", "paths"),
    [
        ("", "*.glb", ["models/chair.GLB", "models/old/chair.glb"]),
        ("models/old", "*", ["models/old/chair.glb"]),
        ("", "models/old/*", ["models/old/chair.glb"]),
        ("", "CHAIR.*", ["models/chair.GLB", "models/old/chair.glb"]),
        ("models", "*.png", []),
    ],
)
def test_a_pattern_and_a_folder_choose(home: Path, folder: str, pattern: str, paths: list[str]) -> None:
    files, total = HomeFiles(home).list(folder, pattern)
    assert [file.path for file in files] == paths
    assert total == len(paths)


def test_pages_together_are_the_whole_list(home: Path) -> None:
    files = HomeFiles(home)
    pages = [files.list(limit=3, offset=offset)[0] for offset in (0, 3, 6)]
    assert [len(page) for page in pages] == [3, 1, 0]
    assert [file for page in pages for file in page] == files.list()[0]


@pytest.mark.parametrize("folder", ["..", "/etc", "outside", ".ssh", "scene.blend"])
def test_other_folders_are_not_listed(home: Path, folder: str) -> None:
    with pytest.raises(HomeFileError):
        HomeFiles(home).list(folder)


def test_a_file_over_the_limit_is_refused_with_its_size(tmp_path: Path) -> None:
    with (tmp_path / "large.blend").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1024 * 1024)
    with pytest.raises(HomeFileError, match=r"is 9\.0 MB and at most 8 MB are sent"):
        HomeFiles(tmp_path).read("large.blend")
    os.truncate(tmp_path / "large.blend", MAX_FILE_BYTES)
    assert len(HomeFiles(tmp_path).read("large.blend")[1]) == MAX_FILE_BYTES


def test_a_home_that_is_a_link_itself_is_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    files = HomeFiles(tmp_path / "link")
    assert files.relative(files.read("models/chair.GLB")[0]) == "models/chair.GLB"


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.png", "image/png"),
        ("a.GLB", "model/gltf-binary"),
        ("a.blend", "application/x-blender"),
        ("a.unheard-of", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_endings_tell_the_kind(name: str, mime_type: str) -> None:
    assert mime_type_of(name) == mime_type


def test_an_address_keeps_slashes_and_quotes_the_rest() -> None:
    assert uri_of("my models/ä.glb") == "blender://files/my%20models/%C3%A4.glb"
