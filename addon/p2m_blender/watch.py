# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices that the scene has changed, by whomever. Cheap: it counts, and compares nothing of the scene's content."""

from __future__ import annotations

from typing import Any

import bpy

_HANDLERS = ("depsgraph_update_post", "undo_post", "redo_post", "load_post")

_revision = 0
_seen: tuple[Any, ...] = ()


def register() -> None:
    """Listen to Blender's handlers."""
    for name in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if _changed not in handlers:
            handlers.append(_changed)


def unregister() -> None:
    """Listen no more."""
    for name in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if _changed in handlers:
            handlers.remove(_changed)


def revision() -> int:
    """Return a number that is another one after each change."""
    global _seen
    signs = _signs()
    if signs != _seen:
        _seen = signs
        note_change()
    return _revision


def note_change() -> None:
    """Count a change."""
    global _revision
    _revision += 1


@bpy.app.handlers.persistent
def _changed(*_: Any) -> None:
    note_change()


def _signs() -> tuple[Any, ...]:
    """Return what changes with changes that call no handler: a new name, a line in a text, another file name."""
    last = next(reversed(bpy.context.window_manager.operators), None)
    return (
        bpy.data.filepath,
        bpy.data.is_dirty,
        last.as_pointer() if last is not None else 0,
        [
            (text.as_pointer(), len(text.lines), text.current_line_index, text.current_character)
            for text in bpy.data.texts
        ],
    )
