# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that clients name: inside the user's home, and nowhere else. No Blender.

This keeps an agent's slip of the pen from reading or overwriting what is not the user's work. It is no wall against
code: who may run Python in Blender can open any file that its user can.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path

from .registry import CommandError

NAMED_ENTRIES = 10
"""Most files that an error names."""


def home() -> Path:
    """Return the user's home, without symbolic links."""
    return Path.home().resolve()


def inside_home(path: str) -> Path:
    """Return where a client's path leads, which need not exist.

    Args:
        path: Relative to the home, or absolute, or beginning with ``~/``.

    Returns:
        The absolute path without symbolic links.

    Raises:
        CommandError: It has a part ``..``, leads out of the home, through symbolic links too, or is no path at all.
    """
    root = home()
    if not path.strip():
        raise CommandError("The path is empty; name a file relative to the home, for instance 'models/chair.blend'.")
    named = Path(path[2:].lstrip("/") if path.startswith("~/") or path == "~" else path)
    if ".." in named.parts:
        raise CommandError(f"The path {path!r} has a part '..'; name the file without it, relative to the home.")
    try:
        resolved = (root / named).resolve()
        resolved.exists()  # names that the file system cannot have are refused here, whatever comes next
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle of links, before Python 3.13
        raise CommandError(f"The path {path!r:.200} cannot be used: {error}") from error
    if not resolved.is_relative_to(root):
        raise CommandError(
            f"The path {path!r} leads to {resolved}, outside the home {root}; copy the file there first."
        )
    return resolved


def shown(path: Path) -> str:
    """Return a path as clients name it: relative to the home, with ``/``; absolute when it is outside."""
    resolved = path.resolve()
    return resolved.relative_to(home()).as_posix() if resolved.is_relative_to(home()) else resolved.as_posix()


def file_to_read(path: str, suffixes: Collection[str] = ()) -> Path:
    """Return an existing file of the home.

    Args:
        path: As `inside_home` takes it.
        suffixes: Endings it may have, in lower case with the dot; any when empty.

    Raises:
        CommandError: As `inside_home`; or there is no such file (names similar ones), it is a folder, or it has
            another ending.
    """
    found = inside_home(path)
    if found.is_dir():
        raise CommandError(f"{path!r} is a folder; it holds {_listing(found)}.")
    if not found.is_file():
        raise CommandError(f"There is no file {path!r} in the home.{_similar(found)}")
    _check_suffix(found, path, suffixes)
    return found


def file_to_write(path: str, suffixes: Collection[str] = (), *, overwrite: bool = False) -> Path:
    """Return where a file of the home may be written; the folders that lead there are created.

    Args:
        path: As `inside_home` takes it.
        suffixes: Endings it may have, in lower case with the dot; any when empty.
        overwrite: Whether there may be a file already.

    Raises:
        CommandError: As `inside_home`; or it is a folder, it exists and `overwrite` is false, it has another ending,
            or its folder cannot be created.
    """
    target = inside_home(path)
    if target.is_dir():
        raise CommandError(f"{path!r} is a folder; name a file in it.")
    _check_suffix(target, path, suffixes)
    if target.exists() and not overwrite:
        raise CommandError(f"The file {path!r} exists already; choose another name, or say that it may be overwritten.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"The folder of {path!r} cannot be created: {error}") from error
    return target


def folder_to_read(path: str = "~") -> Path:
    """Return an existing folder of the home; without a path, the home itself.

    Raises:
        CommandError: As `inside_home`; or there is no such folder (names similar ones), or it is a file.
    """
    found = home() if path in {"~", "~/", "."} else inside_home(path)
    if found.is_file():
        raise CommandError(f"{path!r} is a file; name its folder.")
    if not found.is_dir():
        raise CommandError(f"There is no folder {path!r} in the home.{_similar(found)}")
    return found


def _check_suffix(found: Path, path: str, suffixes: Collection[str]) -> None:
    if suffixes and found.suffix.lower() not in suffixes:
        raise CommandError(f"The file {path!r} must end in one of {', '.join(sorted(suffixes))}.")


def _similar(missing: Path) -> str:
    """Return a sentence that names what lies where a file is missing, the most similar names first."""
    folder = missing.parent
    while not folder.is_dir() and folder != home():
        folder = folder.parent
    names = _names(folder)
    near = difflib.get_close_matches(missing.name, names, n=NAMED_ENTRIES, cutoff=0.6)
    if near:
        return f" Similar: {', '.join(shown(folder / name) for name in near)}."
    return f" The folder {shown(folder)!r} holds {_listing(folder)}."


def _listing(folder: Path) -> str:
    names = _names(folder)
    if not names:
        return "nothing"
    more = f" and {len(names) - NAMED_ENTRIES} more" if len(names) > NAMED_ENTRIES else ""
    return ", ".join(names[:NAMED_ENTRIES]) + more


def _names(folder: Path) -> list[str]:
    """Return the names of what a folder holds, without hidden files; empty when it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
