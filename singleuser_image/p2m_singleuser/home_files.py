"""The user's files as remote clients may see them: below the home, hidden ones left out, and nothing else.

Paths are checked after links are followed, so that neither ``..`` nor a symbolic link leads outside.
"""

from __future__ import annotations

import fnmatch
import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

URI_PREFIX = "blender://files/"
"""What the address of a file begins with, as MCP clients see it."""

MAX_FILE_BYTES = 8 * 1024 * 1024
"""Largest file that is sent to a client, in bytes: with base64 it still fits a message that clients accept."""

_MEGABYTE = 1024 * 1024

_MIME_TYPES = {
    ".blend": "application/x-blender",
    ".exr": "image/x-exr",
    ".fbx": "application/octet-stream",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".hdr": "image/vnd.radiance",
    ".mtl": "model/mtl",
    ".obj": "model/obj",
    ".ply": "application/octet-stream",
    ".stl": "model/stl",
    ".usdz": "model/vnd.usdz+zip",
    ".webp": "image/webp",
}
"""Kinds of files that Python's own table lacks or takes for something else."""


def mime_type_of(name: str) -> str:
    """Return the MIME type that a file's ending stands for, ``application/octet-stream`` when it stands for none."""
    known = _MIME_TYPES.get(Path(name).suffix.lower()) or mimetypes.guess_type(name, strict=False)[0]
    return known or "application/octet-stream"


def uri_of(path: str) -> str:
    """Return the address of a file's resource.

    Args:
        path: Relative to the home, with ``/``.
    """
    return URI_PREFIX + quote(path)


class HomeFileError(Exception):
    """A file cannot be given out; the text is a sentence that says why and what to do."""


@dataclass(frozen=True)
class FoundFile:
    """One line of a listing.

    Attributes:
        path: Relative to the home, with ``/``.
        size: In bytes.
        modified: ISO 8601 in UTC, to the second.
    """

    path: str
    size: int
    modified: str


class HomeFiles:
    """The files below one directory.

    Args:
        home: The directory; by default the user's home.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = (home if home is not None else Path.home()).resolve()

    def resolve(self, path: str) -> Path:
        """Return what a client's path stands for.

        Args:
            path: Relative to the home, absolute inside it, or beginning with ``~/``.

        Raises:
            HomeFileError: The path is empty, leads outside the home, or is hidden.
        """
        if not path.strip() or "\0" in path:
            raise HomeFileError("The path is empty or not a path; give one relative to the home, such as scene.blend.")
        written = self.home / (path[2:] if path.startswith("~/") else "" if path == "~" else path)
        try:
            found = written.resolve()
            found.exists()  # names that the file system cannot have are refused here
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle of links, before Python 3.13
            raise HomeFileError(f"{path!r:.100} is no usable path: {error!s:.100}.") from error
        if not found.is_relative_to(self.home):
            raise HomeFileError(
                f"{path!r} is outside the home; only files in {self.home} can be used. Copy it there first."
            )
        if any(part.startswith(".") for part in found.relative_to(self.home).parts):
            raise HomeFileError(f"{path!r} is hidden (a name begins with a dot) and is not given out.")
        return found

    def list(
        self, folder: str = "", pattern: str = "*", limit: int = 100, offset: int = 0
    ) -> tuple[list[FoundFile], int]:
        """List files, those of all folders below too, in the order of their paths.

        Links that lead out of the home are left out, and links to folders are not followed.

        Args:
            folder: Where to begin, as `resolve` takes it; empty for the home.
            pattern: Shell pattern (``*``, ``?``, ``[]``) for the name, or with a ``/`` in it for the path relative to
                the home; case does not matter.
            limit: Most files to return.
            offset: How many to skip.

        Returns:
            One page of files, and how many match altogether.

        Raises:
            HomeFileError: The folder is outside, hidden, or no folder.
        """
        top = self.resolve(folder) if folder else self.home
        if not top.is_dir():
            raise HomeFileError(f"{folder!r} is no folder; list_files without a folder shows what there is.")
        wanted = pattern.lower()
        whole = "/" in wanted
        found = sorted(
            path
            for path in self._walk(top)
            if fnmatch.fnmatchcase((path if whole else path.rpartition("/")[2]).lower(), wanted)
        )
        return [self._describe(path) for path in found[offset : offset + limit]], len(found)

    def read(self, path: str) -> tuple[Path, bytes]:
        """Return a file's real path and content.

        Raises:
            HomeFileError: The path is not allowed, there is no such file, it is larger than `MAX_FILE_BYTES`, or it
                cannot be read.
        """
        found = self.resolve(path)
        if found.is_dir():
            raise HomeFileError(f"{path!r} is a folder; list_files shows what is in it.")
        if not found.is_file():
            raise HomeFileError(f"There is no file {path!r} in the home; list_files shows what there is.")
        try:
            with found.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > MAX_FILE_BYTES:
                    raise HomeFileError(
                        f"{path!r} is {size / _MEGABYTE:.1f} MB and at most {MAX_FILE_BYTES // _MEGABYTE} MB are sent; "
                        "make a smaller one (a smaller picture, one object instead of all), or let the person download "
                        "it in JupyterLab."
                    )
                return found, file.read(MAX_FILE_BYTES)
        except OSError as error:
            raise HomeFileError(f"{path!r} cannot be read: {error.strerror}.") from error

    def relative(self, path: Path) -> str:
        """Return a resolved path relative to the home, with ``/``."""
        return path.relative_to(self.home).as_posix()

    def _walk(self, top: Path) -> Iterator[str]:
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(folder, name)
                if not name.startswith(".") and self._is_shown(path):
                    yield self.relative(path)

    def _is_shown(self, path: Path) -> bool:
        """Return whether a directory entry is a plain file, or a link to one that `resolve` would give out."""
        if not path.is_symlink():
            return path.is_file()
        try:
            return self.resolve(str(path)).is_file()
        except HomeFileError:
            return False

    def _describe(self, path: str) -> FoundFile:
        try:
            facts = (self.home / path).stat()
        except OSError:  # it went away since the walk
            return FoundFile(path, 0, "")
        modified = datetime.fromtimestamp(facts.st_mtime, UTC).isoformat(timespec="seconds")
        return FoundFile(path, facts.st_size, modified)
