# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a client's Python in Blender."""

from __future__ import annotations

import collections
import io
import linecache
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import bpy
import mathutils

from ..interrupt import Interrupted
from ..mainthread import main_thread
from ..registry import CommandError, command
from ..wire import Failure

FILENAME = "<blender_mcp>"
"""What the client's code is called in tracebacks."""

KEPT_CHARS = 1_000_000
"""Most characters of output that are returned; of more, the first and the last half of this."""


@command("execute_code", kind="code", tool="execute_blender_code", interruptible=False)
def execute_code(code: str) -> dict[str, Any]:
    """Run Python with ``bpy`` and ``mathutils`` at hand.

    Args:
        code: Source of a module.

    Returns:
        ``executed`` (true), ``result`` (what was printed) and, if anything was, ``stderr``.

    Raises:
        CommandError: The code raised, whatever it was, ``SystemExit`` too, or it was interrupted at its deadline; with
            the traceback.
    """
    lines = code.splitlines(keepends=True)
    linecache.cache[FILENAME] = (len(code), None, lines, FILENAME)
    output, errors = Capture(), Capture()
    namespace: dict[str, Any] = {"__name__": "__main__", "bpy": bpy, "mathutils": mathutils}
    try:
        with redirected("stdout", output), redirected("stderr", errors):
            program = compile(code, FILENAME, "exec", dont_inherit=True)
            main_thread.interruptible(lambda: exec(program, namespace))  # noqa: S102 - what it is for
    except BaseException as error:  # noqa: BLE001 - whatever the code raises is an answer, and Blender lives
        failure = _describe(error, output.text())
        raise CommandError(failure.message, failure) from None
    result: dict[str, Any] = {"executed": True, "result": output.text()}
    if complaints := errors.text():
        result["stderr"] = complaints
    return result


class Capture(io.TextIOBase):
    """A text file that keeps the beginning and the end of what is written to it.

    Args:
        kept_chars: How many characters at most.
    """

    def __init__(self, kept_chars: int = KEPT_CHARS) -> None:
        self._half = kept_chars // 2
        self._head = io.StringIO()
        self._tail: collections.deque[str] = collections.deque()
        self._tail_chars = 0
        self._written = 0

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a variable where programs only read
        """What programs that ask are told."""
        return "utf-8"

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Keep a piece of text, or of it what belongs to the beginning or the end."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        room = max(self._half - self._written, 0)
        self._written += len(text)
        if room:
            self._head.write(text[:room])
        rest = text[room:][-self._half :]
        if rest:
            self._tail.append(rest)
            self._tail_chars += len(rest)
            while self._tail_chars - len(self._tail[0]) >= self._half:
                self._tail_chars -= len(self._tail.popleft())
        return len(text)

    def text(self) -> str:
        """Return what was kept, with a line that says how much is missing."""
        head, tail = self._head.getvalue(), "".join(self._tail)[-self._half :]
        missing = self._written - len(head) - len(tail)
        if not missing:
            return head + tail
        return f"{head}\n[... {missing} characters of output left out ...]\n{tail}"


class _Switch(io.TextIOBase):
    """A stand-in for stdout that sends one thread's text elsewhere and everybody else's where it always went."""

    def __init__(self, usual: TextIO, special: TextIO) -> None:
        self._usual = usual
        self._special = special
        self._thread = threading.get_ident()

    def _target(self) -> TextIO:
        return self._special if threading.get_ident() == self._thread else self._usual

    def write(self, text: str, /) -> int:
        return self._target().write(text)

    def flush(self) -> None:
        self._target().flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._usual, name)


@contextmanager
def redirected(stream: str, target: Any) -> Iterator[None]:
    """Send this thread's output to `target`, and no other thread's.

    Args:
        stream: ``"stdout"`` or ``"stderr"``.
        target: A text file.
    """
    usual = getattr(sys, stream)
    switch = _Switch(usual, target)
    setattr(sys, stream, switch)
    try:
        yield
    finally:
        setattr(sys, stream, usual)


def _describe(error: BaseException, output: str) -> Failure:
    """Return an exception with the traceback from the client's first line on."""
    interrupted = isinstance(error, Interrupted)
    frames = error.__cause__.__traceback__ if interrupted and error.__cause__ else error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != FILENAME:
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the client's own class, which may do anything
        message = "<its __str__ failed>"
    if interrupted:
        return Failure(message, type="DeadlineExceeded", traceback=text, output=output)
    if isinstance(error, SystemExit):
        message = f"the code called sys.exit({message}); Blender goes on"
    return Failure(message, type=type(error).__name__, traceback=text, output=output)
