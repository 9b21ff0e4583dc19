"""Opening a .blend file from JupyterLab: what is refused, what is kept before, and what people read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from p2m_singleuser.home_files import HomeFiles
from p2m_singleuser.link import BlenderLink
from p2m_singleuser.open_blend_file import LONGEST_LABEL, NotOpened, Opened, open_blend_file
from tests.unit.singleuser_fakes import CommandFailed, FakeBlender

SHOWN_IN_A_NOTIFICATION = 140


class Blender(FakeBlender):
    """Has a file open, and opens another one."""

    def __init__(self, runtime: Path) -> None:
        super().__init__(runtime / "blender.sock")
        self.open: dict[str, Any] = {"file": "first.blend", "unsaved_changes": True}
        self.missing: list[str] = []
        self.answers |= {
            "get_file_summary": self.summary,
            "create_checkpoint": self.create_checkpoint,
            "open_file": self.open_file,
        }

    async def summary(self, _: dict[str, Any]) -> dict[str, Any]:
        return self.open

    async def create_checkpoint(self, params: dict[str, Any]) -> dict[str, Any]:
        assert 1 <= len(params["label"]) <= LONGEST_LABEL
        return {"id": 7, "label": params["label"]}

    async def open_file(self, params: dict[str, Any]) -> dict[str, Any]:
        self.open = {"file": Path(params["path"]).name, "unsaved_changes": False}
        return {"file": self.open["file"], "missing_files": self.missing}

    def commands(self) -> list[str]:
        return [request["type"] for request in self.requests]

    def fails(self, command: str, error: Exception) -> None:
        async def answer(_: dict[str, Any]) -> Any:
            raise error

        self.answers[command] = answer


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name, content in (("chair.blend", b"BLENDER-v403"), ("small.blend", b"\x28\xb5\x2f\xfdzstd")):
        (home / name).write_bytes(content)
    return home


@pytest.fixture
async def blender(tmp_path: Path) -> AsyncIterator[Blender]:
    async with Blender(tmp_path) as fake:
        yield fake


async def opening(blender: FakeBlender, home: Path, path: str | Path) -> Opened:
    return await open_blend_file(BlenderLink(blender.path), home / path, HomeFiles(home))


async def refusal(blender: FakeBlender, home: Path, path: str | Path) -> NotOpened:
    with pytest.raises(NotOpened) as refused:
        await opening(blender, home, path)
    return refused.value


async def test_unsaved_changes_are_kept_before_and_the_person_reads_where(blender: Blender, home: Path) -> None:
    opened = await opening(blender, home, "chair.blend")
    assert blender.commands() == ["get_file_summary", "create_checkpoint", "open_file"]
    assert blender.requests[1]["params"]["label"] == "before opening chair.blend"
    assert blender.requests[2]["params"] == {"path": str(home.resolve() / "chair.blend")}
    assert (opened.file, opened.already_open, opened.checkpoint) == ("chair.blend", False, 7)
    assert opened.message == "chair.blend is open in Blender."
    assert opened.notes == [
        "Unsaved changes of first.blend are kept: checkpoint 7 in Blender's sidebar (key N), tab MCP."
    ]


async def test_without_unsaved_changes_there_is_nothing_to_keep(blender: Blender, home: Path) -> None:
    blender.open = {"file": None, "unsaved_changes": False}
    opened = await opening(blender, home, "small.blend")
    assert blender.commands() == ["get_file_summary", "open_file"]
    assert (opened.checkpoint, opened.notes) == (None, [])


async def test_a_blender_that_cannot_tell_keeps_what_is_open(blender: Blender, home: Path) -> None:
    blender.open = {"file": None, "unsaved_changes": None}
    opened = await opening(blender, home, "chair.blend")
    assert opened.checkpoint == 7
    assert opened.notes[0].startswith("What was open (the scene before) is kept: checkpoint 7 ")


@pytest.mark.parametrize(("unsaved", "end"), [(True, ", with changes that are not saved yet."), (False, ".")])
async def test_the_open_file_is_not_loaded_again(blender: Blender, home: Path, unsaved: bool, end: str) -> None:
    blender.open = {"file": "chair.blend", "unsaved_changes": unsaved}
    opened = await opening(blender, home, "chair.blend")
    assert blender.commands() == ["get_file_summary"]
    assert (opened.already_open, opened.message) == (True, f"chair.blend is open in Blender already{end}")


async def test_missing_files_are_named(blender: Blender, home: Path) -> None:
    blender.open["unsaved_changes"] = False
    blender.missing = ["textures/wood.png", "/elsewhere/lib.blend", "c.png", "d.png"]
    opened = await opening(blender, home, "chair.blend")
    assert opened.notes == ["Files that it uses are not there: wood.png, lib.blend and 2 more."]


async def test_long_names_do_not_push_the_sentences_out_of_a_notification(blender: Blender, home: Path) -> None:
    name = f"{'x' * 200}.blend"
    (home / name).write_bytes(b"BLENDER")
    blender.open["file"] = f"{'y' * 200}.blend"
    blender.missing = [f"{'z' * 200}.png"] * 5
    opened = await opening(blender, home, name)
    assert all(len(sentence) <= SHOWN_IN_A_NOTIFICATION for sentence in (opened.message, *opened.notes))
    assert len(opened.notes) == 2


async def test_two_at_a_time_open_one_after_the_other(blender: Blender, home: Path) -> None:
    await asyncio.gather(opening(blender, home, "chair.blend"), opening(blender, home, "small.blend"))
    assert blender.commands() == ["get_file_summary", "create_checkpoint", "open_file", "get_file_summary", "open_file"]


@pytest.mark.parametrize(
    ("path", "content", "status", "code", "sentence"),
    [
        ("chair.png", b"BLENDER", 422, "not-a-blend-file", "its name does not end in .blend"),
        ("fake.blend", b"\x89PNG\r\n", 422, "not-a-blend-file", "is no Blender file, whatever its name says"),
        ("empty.blend", b"", 422, "not-a-blend-file", "is no Blender file"),
        ("gone.blend", None, 404, "no-such-file", "is not there any more; refresh the file browser"),
        ("../outside.blend", b"BLENDER", 422, "not-in-home", "is outside the home"),
        (".hidden/a.blend", b"BLENDER", 422, "not-in-home", "is hidden"),
    ],
)
async def test_what_is_refused_never_reaches_blender(
    blender: Blender, home: Path, path: str, content: bytes | None, status: int, code: str, sentence: str
) -> None:
    if content is not None:
        (home / path).parent.mkdir(exist_ok=True)
        (home / path).write_bytes(content)
    error = await refusal(blender, home, path)
    assert (error.status, error.code) == (status, code)
    assert sentence in str(error)
    assert blender.requests == []


async def test_a_link_out_of_the_home_and_a_folder_are_refused(blender: Blender, home: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.blend").write_bytes(b"BLENDER")
    (home / "link.blend").symlink_to(tmp_path / "secret.blend")
    (home / "folder.blend").mkdir()
    assert (await refusal(blender, home, "link.blend")).code == "not-in-home"
    assert (await refusal(blender, home, "folder.blend")).code == "not-a-blend-file"
    assert blender.requests == []


async def test_what_cannot_be_kept_is_not_replaced(blender: Blender, home: Path) -> None:
    blender.fails("create_checkpoint", CommandFailed("no space left", type="CommandError"))
    error = await refusal(blender, home, "chair.blend")
    assert (error.status, error.code) == (507, "not-kept")
    assert "changes that could not be kept (no space left). Save it in Blender" in str(error)
    assert "open_file" not in blender.commands()


@pytest.mark.parametrize(
    ("type", "status", "code", "sentence"),
    [
        ("CommandError", 422, "not-readable", "what was open still is: Blender cannot read it"),
        ("Paused", 409, "paused", "Press Resume in Blender's sidebar"),
        ("ModeRefused", 409, "mode", "Open it in Blender itself"),
        ("Busy", 503, "blender-busy", "chair.blend was not opened. Blender renders."),
    ],
)
async def test_blenders_no_is_told_in_words_for_people(
    blender: Blender, home: Path, type: str, status: int, code: str, sentence: str
) -> None:
    blender.fails("open_file", CommandFailed("Blender renders.", type=type))
    error = await refusal(blender, home, "chair.blend")
    assert (error.status, error.code) == (status, code)
    assert sentence in str(error)


async def test_without_blender_the_sentence_says_when_to_try_again(blender: Blender, home: Path) -> None:
    await blender.stop()
    error = await refusal(blender, home, "chair.blend")
    assert (error.status, error.code) == (503, "blender-unavailable")
    assert "was not opened. Blender is starting, try again in" in str(error)


async def test_a_blender_that_hangs_is_a_timeout(blender: Blender, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2m_singleuser.link.HANG_S", 0.05)

    async def never(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    blender.answers["get_status"] = blender.answers["get_file_summary"] = never
    error = await refusal(blender, home, "chair.blend")
    assert (error.status, error.code) == (504, "blender-busy")
