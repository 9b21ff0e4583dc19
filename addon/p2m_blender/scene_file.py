# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the open scene: saved in milliseconds, and loaded again under the file name the scene had."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from .blend_header import BlendFileError, original_path, set_original_path
from .window import in_window

SETTLING_TURNS = 60
"""Turns of the main loop after loading in which Blender may take the mark of a change away."""

_turns_to_settle = 0


class SceneFileError(Exception):
    """A copy could not be saved or loaded; the text is Blender's reason."""


def save_copy(path: Path) -> float:
    """Save the open scene to another file. What the person sees, their file and their preferences stay as they are.

    Args:
        path: Where to; nothing may be there yet. It remembers the scene's own path.

    Returns:
        How long it took, in seconds.

    Raises:
        SceneFileError: It could not be written; nothing is left at `path`.
    """
    began = time.perf_counter()
    try:
        with _without_preview(), contextlib.redirect_stdout(_Quiet()):  # 'Info: Saved "…"'
            bpy.ops.wm.save_as_mainfile(
                filepath=str(path), copy=True, compress=False, relative_remap=False, check_existing=False
            )
        set_original_path(path, bpy.data.filepath)
    except (RuntimeError, OSError, BlendFileError) as error:
        for left in (path, path.with_name(f"{path.name}@")):  # Blender writes to NAME@ and renames
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
        raise SceneFileError(_first_line(error)) from error
    return time.perf_counter() - began


def load_copy(path: Path) -> None:
    """Open a copy under the file name its scene had; a scene that had none has none again.

    The scene counts as changed, once `settle` was called: its own file may hold another state. Nothing is written.

    Args:
        path: A file of `save_copy`.

    Raises:
        SceneFileError: It cannot be read; the open scene stays.
    """
    global _turns_to_settle
    try:
        # Recovering a file that names no other would open it under its own path.
        operator = bpy.ops.wm.recover_auto_save if original_path(path) else bpy.ops.wm.read_homefile
        with in_window(), contextlib.redirect_stdout(_Quiet()):
            operator(filepath=str(path))
    except (RuntimeError, OSError, BlendFileError) as error:
        raise SceneFileError(_first_line(error)) from error
    _turns_to_settle = SETTLING_TURNS


def settle() -> None:
    """Mark a copy that was loaded as changed. To be called in each turn: Blender takes the mark away in the first."""
    global _turns_to_settle
    if not _turns_to_settle:
        return
    _turns_to_settle -= 1
    if not bpy.data.is_dirty:
        with in_window():
            if bpy.ops.ed.undo_push.poll():
                bpy.ops.ed.undo_push(message="Load")


class _Quiet(io.TextIOBase):
    """A stdout that drops what this thread writes, and leaves other threads theirs."""

    def __init__(self) -> None:
        self._usual = sys.stdout
        self._thread = threading.get_ident()

    def write(self, text: str, /) -> int:
        return len(text) if threading.get_ident() == self._thread else self._usual.write(text)

    def flush(self) -> None:
        self._usual.flush()


@contextlib.contextmanager
def _without_preview() -> Iterator[None]:
    """Switch the preview in saved files off: drawing it takes 500 times as long as the file."""
    preferences: Any = bpy.context.preferences
    kind, changed = preferences.filepaths.file_preview_type, preferences.is_dirty
    preferences.filepaths.file_preview_type = "NONE"
    try:
        yield
    finally:
        preferences.filepaths.file_preview_type = kind
        preferences.is_dirty = changed  # or they would be saved when Blender ends


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0].removeprefix("Error: ") if text else type(error).__name__
