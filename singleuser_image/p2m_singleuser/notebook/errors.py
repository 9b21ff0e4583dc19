"""What can go wrong, each with a sentence that says what to do; a notebook shows only that and the cell's own lines."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent


class _Short:
    """Shows, in IPython, the lines that led into this package and the sentence, and nothing of what is inside."""

    def _render_traceback_(self) -> list[str]:
        lines = [f"  {_place(frame)}\n    {frame.line}" for frame in _frames_before_package(self) if frame.line]
        return [*lines, f"{type(self).__name__}: {self}"]


class BlenderProblem(_Short, Exception):
    """Base of everything this package raises about Blender; its text is a sentence for a person."""


class WrongCall(BlenderProblem, TypeError):
    """A method was called with arguments that it does not have, or without one that it needs."""


class Interrupted(_Short, KeyboardInterrupt):
    """Somebody pressed stop while a call without ``await`` was waited for."""


class Cancelled(_Short, asyncio.CancelledError):
    """Somebody pressed stop, or cancelled the task, while a call was awaited."""


STOPPED = "stopped. Blender was told to stop this call too; the connection stays open."
"""What `Interrupted` and `Cancelled` say."""


class BlenderAway(BlenderProblem):
    """Nobody answers at the address, or the connection ended in the middle of a call."""


class NotAllowed(BlenderProblem):
    """The token is missing, wrong or expired, or what it stands for may not do this."""


class BlenderFailed(BlenderProblem):
    """Blender was asked and could not do it; the text is Blender's own."""


class CodeFailed(BlenderProblem):
    """Code that ran inside Blender raised.

    Args:
        kind: Name of the exception, such as ``"KeyError"``.
        message: Its text.
        trace: Traceback with the lines of the code itself, as Python prints it.
        output: What the code had printed before.
    """

    def __init__(self, kind: str, message: str, trace: str, output: str) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind = kind
        self.message = message
        self.trace = trace
        self.output = output

    def _render_traceback_(self) -> list[str]:
        return self.trace.rstrip().splitlines()


def _frames_before_package(error: Any) -> list[traceback.FrameSummary]:
    """Return the caller's frames: from the last cell or script to the first line of this package."""
    frames: list[traceback.FrameSummary] = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if PACKAGE in path.parents:
            break
        if "IPython" in path.parts or "ipykernel" in path.parts:
            frames.clear()  # the machinery that runs the cell
        else:
            frames.append(frame)
    return frames


def _place(frame: traceback.FrameSummary) -> str:
    where = "cell" if "ipykernel_" in frame.filename or "<ipython" in frame.filename else frame.filename
    return f"{where}, line {frame.lineno}"
