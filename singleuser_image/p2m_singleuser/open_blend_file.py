"""`POST …/p2m/open-in-blender`: opens a .blend file in this server's Blender, and keeps what was open there."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

from p2m_singleuser.home_files import HomeFileError, HomeFiles
from p2m_singleuser.link import BlenderError, BlenderLink, BlenderLinkError, BlenderTimeout

LOOK_S = 10.0
"""Seconds in which Blender must say what is open."""

LOAD_S = 170.0
"""Seconds that writing a checkpoint, and then reading a large file, may take."""

LONGEST_LABEL = 100
"""Most characters of a checkpoint's label that the extension takes."""

LONGEST_NAME = 40
"""Most characters of a file's name in a sentence."""

_BEGINNINGS = (b"BLENDER", b"\x28\xb5\x2f\xfd", b"\x1f\x8b")
"""What Blender files begin with: not compressed, compressed by zstd (since Blender 3.0), by gzip (before)."""


class NotOpened(Exception):
    """The file was not opened, and what was open still is.

    Args:
        message: A sentence for the person, which says what to do.
        status: HTTP status of the answer.
        code: A word for programs.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Opened:
    """What is open now.

    Attributes:
        file: Path relative to the home.
        already_open: Whether it was before, so that nothing was loaded.
        checkpoint: Number of the checkpoint of what was open before; None when all of that was in its file.
        missing_files: Pictures, libraries and the like that the file names and that do not exist.
        message: What is open now, in a sentence for the person.
        notes: What else to know, a sentence each. JupyterLab shows the first 140 characters of a notification.
    """

    file: str
    already_open: bool
    checkpoint: int | None
    missing_files: list[str]
    message: str
    notes: list[str]


_one_at_a_time = asyncio.Lock()


async def open_blend_file(link: BlenderLink, path: Path, files: HomeFiles) -> Opened:
    """Open a file in Blender, unless it is open there already. What was not saved before becomes a checkpoint.

    Args:
        link: Blender.
        path: The file, absolute.
        files: The home that it must be in.

    Raises:
        NotOpened: The file cannot be used, what was open could not be kept, or Blender did not open it.
    """
    found = await asyncio.to_thread(_checked, path, files)
    shown = files.relative(found)
    async with _one_at_a_time:
        try:
            before = await link.call("get_file_summary", deadline_s=LOOK_S)
            if before["file"] == shown:
                return _already_open(shown, before["unsaved_changes"])
            checkpoint = None
            if before["unsaved_changes"] is not False:  # None: a Blender without a window cannot tell
                checkpoint = await _keep(link, found.name)
            answer = await link.call("open_file", deadline_s=LOAD_S, path=str(found))
        except BlenderError as error:
            raise _refused(found.name, error) from error
        except BlenderTimeout as error:
            raise NotOpened(f"{found.name} was not opened. {error}", status=504, code="blender-busy") from error
        except BlenderLinkError as error:
            raise NotOpened(f"{found.name} was not opened. {error}", status=503, code="blender-unavailable") from error
    return _opened(shown, before, checkpoint, answer["missing_files"])


def _checked(path: Path, files: HomeFiles) -> Path:
    """Return the file without links, if it is a Blender file of the home."""
    try:
        found = files.resolve(str(path))
    except HomeFileError as error:
        raise NotOpened(str(error), status=422, code="not-in-home") from error
    if found.suffix.lower() != ".blend" or found.is_dir():
        raise NotOpened(
            f"{found.name} is no Blender file: its name does not end in .blend.", status=422, code="not-a-blend-file"
        )
    try:
        with found.open("rb") as file:
            beginning = file.read(8)
    except FileNotFoundError as error:
        raise NotOpened(
            f"{found.name} is not there any more; refresh the file browser.", status=404, code="no-such-file"
        ) from error
    except OSError as error:
        raise NotOpened(f"{found.name} cannot be read: {error.strerror}.", status=422, code="not-readable") from error
    if not beginning.startswith(_BEGINNINGS):
        raise NotOpened(
            f"{found.name} is no Blender file, whatever its name says. If it was uploaded, upload it again.",
            status=422,
            code="not-a-blend-file",
        )
    return found


async def _keep(link: BlenderLink, next_name: str) -> int:
    """Make a checkpoint of the open scene and return its number."""
    label = f"before opening {next_name}"
    if len(label) > LONGEST_LABEL:
        label = f"{label[: LONGEST_LABEL - 1]}…"
    try:
        made = await link.call("create_checkpoint", deadline_s=LOAD_S, label=label)
    except BlenderError as error:
        raise NotOpened(
            f"{next_name} was not opened: what is open has changes that could not be kept ({error}). "
            "Save it in Blender, or free some disk space, and try again.",
            status=507,
            code="not-kept",
        ) from error
    return int(made["id"])


def _refused(name: str, error: BlenderError) -> NotOpened:
    """Return what to tell the person when Blender says no; its own words are for agents."""
    match error.type:
        case "Paused":
            return NotOpened(
                f"{name} was not opened: agents are paused in Blender, and so is opening from here. Press Resume in "
                "Blender's sidebar (tab MCP), or open the file in Blender itself.",
                status=409,
                code="paused",
            )
        case "ModeRefused":
            return NotOpened(
                f"{name} was not opened: this server lets programs look only. Open it in Blender itself: File, Open.",
                status=409,
                code="mode",
            )
        case "Busy":
            return NotOpened(f"{name} was not opened. {error}", status=503, code="blender-busy")
    return NotOpened(
        f"{name} was not opened, and what was open still is: Blender cannot read it. It may be damaged, not wholly "
        "uploaded, or saved by a newer Blender.",
        status=422,
        code="not-readable",
    )


def _already_open(shown: str, unsaved: bool | None) -> Opened:
    end = ", with changes that are not saved yet." if unsaved else "."
    return Opened(shown, True, None, [], f"{_short(shown)} is open in Blender already{end}", [])


def _opened(shown: str, before: dict[str, Any], checkpoint: int | None, missing: list[str]) -> Opened:
    notes = []
    if checkpoint is not None:
        former = _short(before["file"]) if before["file"] else "the scene before"
        what = f"Unsaved changes of {former} are" if before["unsaved_changes"] else f"What was open ({former}) is"
        notes.append(f"{what} kept: checkpoint {checkpoint} in Blender's sidebar (key N), tab MCP.")
    if missing:
        more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
        notes.append(f"Files that it uses are not there: {', '.join(map(_short, missing[:2]))}{more}.")
    return Opened(shown, False, checkpoint, missing, f"{_short(shown)} is open in Blender.", notes)


def _short(path: str) -> str:
    """Return a file's name, cut where it would fill a notification by itself."""
    name = Path(path).name
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


class OpenHandler(APIHandler):
    """Opens a file for whoever may use this server: a bearer token, or a cookie together with its XSRF token."""

    def initialize(self, link: BlenderLink, root: Path) -> None:
        """Take over what the route was registered with; `root` is where the paths of the contents API begin."""
        self._link = link
        self._root = root

    @web.authenticated
    async def post(self) -> None:
        """Open the file that the body names as Jupyter's contents API does, ``{"path": "folder/scene.blend"}``.

        The answer has the fields of `Opened`; an error is ``{"error": code, "message": sentence}``.
        """
        body = self.get_json_body()
        named = body.get("path") if isinstance(body, dict) else None
        if not isinstance(named, str) or not named.strip("/ "):
            await self._fail(NotOpened("Name a file: a JSON object with a path.", status=400, code="bad-request"))
            return
        path = self._root / named.lstrip("/")
        try:
            opened = await open_blend_file(self._link, path, HomeFiles())
        except NotOpened as error:
            self.log.warning("p2m: %s not opened: %s", os.fspath(path), error.__cause__ or error)
            await self._fail(error)
            return
        await self.finish(json.dumps(vars(opened)))

    async def _fail(self, error: NotOpened) -> None:
        self.set_status(error.status)
        await self.finish(json.dumps({"error": error.code, "message": str(error)}))
