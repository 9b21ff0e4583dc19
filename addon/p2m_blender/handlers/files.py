# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender files: open, save, and what the open one holds. All of them in the user's home."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ..paths import file_to_read, file_to_write, inside_home, shown
from ..registry import CommandError, command

BLEND = (".blend",)

LONGEST_LIST = 200
"""Most entries of one list in a file summary."""

EXTERNAL = ("images", "libraries", "sounds", "fonts", "movieclips", "volumes", "cache_files")
"""Collections of `bpy.data` whose data-blocks may be kept in files of their own."""


@command("open_file", kind="edit", undo_step=False, interruptible=False)
def open_file(path: str) -> dict[str, Any]:
    """Open a Blender file in the place of the present one. The window keeps its layout; scripts in it do not run.

    Args:
        path: The file, in the user's home.

    Returns:
        ``file`` (path of what is open now), ``previous_file`` (null when it had none), ``had_unsaved_changes``
        (of the previous one; null without a window), ``scene``, ``object_count``, ``missing_files`` (paths that the
        file names and that do not exist).

    Raises:
        CommandError: The path is not allowed, there is no such file, or Blender cannot read it.
    """
    source = file_to_read(path, BLEND)
    previous, unsaved = bpy.data.filepath, _has_unsaved_changes()
    try:
        bpy.ops.wm.open_mainfile(filepath=str(source), load_ui=False, use_scripts=False, display_file_selector=False)
    except RuntimeError as error:
        raise CommandError(
            f"{path!r} cannot be opened, and the scene is as it was: {_reason(error)}. "
            "Check that it is a Blender file; import_file reads other formats."
        ) from error
    return {
        "file": shown(Path(bpy.data.filepath)),
        "previous_file": shown(Path(previous)) if previous else None,
        "had_unsaved_changes": unsaved,
        "scene": bpy.context.scene.name,
        "object_count": len(bpy.context.scene.objects),
        "missing_files": [entry["path"] for entry in _missing_files()],
    }


@command("save_file", kind="edit", undo_step=False, interruptible=False)
def save_file(path: str | None = None, overwrite: bool = False, copy: bool = False) -> dict[str, Any]:
    """Save the open file.

    Args:
        path: Where, in the user's home, ending in .blend; without one, where the file was opened from or saved to.
        overwrite: Whether another file may be replaced. The open file itself always may.
        copy: Write a copy, and go on working in the file that is open.

    Returns:
        ``file`` (path written), ``size`` (bytes), ``replaced`` (whether another file was overwritten), ``open_file``
        (path of the file that is open now, null when it has none).

    Raises:
        CommandError: The scene has no file yet and no path is given; the path is not allowed, or exists; it cannot be
            written.
    """
    present = Path(bpy.data.filepath).resolve() if bpy.data.filepath else None
    if path is None and present is None:
        raise CommandError("The scene was never saved; give a path, for instance 'scene.blend'.")
    wanted = str(present) if path is None else path
    own = inside_home(wanted) == present
    target = file_to_write(wanted, BLEND, overwrite=overwrite or own)
    replaced = target.exists() and not own
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(target), check_existing=False, copy=copy)
    except RuntimeError as error:
        raise CommandError(f"{shown(target)!r} cannot be written: {_reason(error)}.") from error
    return {
        "file": shown(target),
        "size": target.stat().st_size,
        "replaced": replaced,
        "open_file": shown(Path(bpy.data.filepath)) if bpy.data.filepath else None,
    }


@command("get_file_summary")
def get_file_summary() -> dict[str, Any]:
    """Return what the open file consists of.

    Returns:
        ``file`` (path, null when never saved), ``size`` (bytes on disk, null when there is no file),
        ``unsaved_changes`` (null without a window), ``blender_version`` (running), ``file_version`` (of the
        Blender that saved it before it was opened), ``data_blocks`` (number by kind, kinds that occur), ``unused``
        (data-blocks that nothing uses), ``scenes`` (names), ``libraries`` and ``images`` (at most `LONGEST_LIST` of
        each), ``missing_files``.
    """
    path = Path(bpy.data.filepath) if bpy.data.filepath else None
    blocks = {kind: len(collection) for kind, collection in _collections() if len(collection)}
    return {
        "file": shown(path) if path else None,
        "size": path.stat().st_size if path and path.is_file() else None,
        "unsaved_changes": _has_unsaved_changes(),
        "blender_version": bpy.app.version_string.split()[0],
        "file_version": ".".join(map(str, bpy.data.version)),
        "data_blocks": blocks,
        "unused": sum(1 for _, collection in _collections() for block in collection if _is_unused(block)),
        "scenes": [scene.name for scene in bpy.data.scenes],
        "libraries": [
            {"name": library.name, "path": _place(library), "missing": not _exists(library)}
            for library in bpy.data.libraries[:LONGEST_LIST]
        ],
        "images": [
            _describe_image(image)
            for image in itertools.islice((one for one in bpy.data.images if one.source != "VIEWER"), LONGEST_LIST)
        ],
        "missing_files": _missing_files(),
    }


def _has_unsaved_changes() -> bool | None:
    """Return whether there are changes that are not in the file; None without a window: Blender says yes always."""
    return None if bpy.app.background else bpy.data.is_dirty


def _collections() -> Iterator[tuple[str, Any]]:
    """Return the kinds of data-blocks of this Blender, and all of each kind."""
    for prop in bpy.data.bl_rna.properties:
        if prop.type == "COLLECTION":
            yield prop.identifier, getattr(bpy.data, prop.identifier)


def _is_unused(block: Any) -> bool:
    return block.users == 0 and not block.use_fake_user


def _describe_image(image: Any) -> dict[str, Any]:
    on_disk = image.source in {"FILE", "SEQUENCE", "MOVIE", "TILED"}
    packed = bool(image.packed_files)
    return {
        "name": image.name,
        "source": image.source,
        "width": image.size[0],
        "height": image.size[1],
        "packed": packed,
        "path": _place(image) if on_disk else None,
        "missing": on_disk and not packed and not _exists(image),
    }


def _missing_files() -> list[dict[str, str]]:
    """Return the files that data-blocks of the open file are kept in and that do not exist."""
    return [
        {"kind": kind, "name": block.name, "path": _place(block)}
        for kind in EXTERNAL
        for block in getattr(bpy.data, kind)
        if block.filepath and block.filepath != "<builtin>" and not _is_inside(block) and not _exists(block)
    ]


def _is_inside(block: Any) -> bool:
    """Return whether a data-block's content is in the Blender file itself."""
    if getattr(block, "packed_file", None) or getattr(block, "packed_files", None):
        return True
    return getattr(block, "source", "FILE") in {"GENERATED", "VIEWER"}


def _absolute(block: Any) -> Path:
    return Path(bpy.path.abspath(block.filepath, library=block.library))


def _exists(block: Any) -> bool:
    """Return whether a data-block's file is there; of tiles or of a sequence, any of them."""
    path = _absolute(block)
    if getattr(block, "source", "FILE") in {"TILED", "SEQUENCE"}:
        return path.parent.is_dir()
    return path.exists()


def _place(block: Any) -> str:
    return shown(_absolute(block))


def _reason(error: RuntimeError) -> str:
    """Return what an operator reported, on one line, without the word that precedes it."""
    return " ".join(str(error).split()).removeprefix("Error: ").rstrip(". ")
