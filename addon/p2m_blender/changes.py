# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens around every command that changes something: hooks, the person's window as context, one undo step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy

from .registry import Command, table
from .window import in_window

LOG = logging.getLogger("p2m_blender")


@dataclass(frozen=True)
class Change:
    """A call that is about to change something, or has.

    Attributes:
        tool: The MCP tool's name, for people.
        command: The command.
    """

    tool: str
    command: Command


Hook = Callable[[Change], None]

before_change: list[Hook] = []
"""Called on the main thread before each command of kind ``edit`` or ``code``. What a hook raises is logged."""

after_change: list[Hook] = []
"""Called after each of them, also after one that failed, once its undo step is made. What a hook raises is logged."""


def register() -> None:
    """Put `around` around the table's commands."""
    table.around = around


def unregister() -> None:
    """Leave the table's commands alone."""
    table.around = None


@contextmanager
def around(command: Command) -> Iterator[None]:
    """Run a command; one that changes something with hooks, in the person's window, and as one undo step."""
    if command.kind == "read":
        yield
        return
    change = Change(command.tool, command)
    _call(before_change, change)
    try:
        with in_window():
            yield
    finally:
        if command.undo_step:
            _push_undo_step(f"MCP: {command.tool}")
        _call(after_change, change)


def _call(hooks: list[Hook], change: Change) -> None:
    for hook in list(hooks):
        try:
            hook(change)
        except Exception:
            LOG.exception("a hook around %s failed", change.tool)


def _push_undo_step(message: str) -> None:
    """Close the undo step, in a context of its own: a command may have loaded another file or closed the window."""
    with in_window():
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=message)
