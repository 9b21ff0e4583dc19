# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupting Python code in the main thread from another thread, and nothing but that code. No Blender.

CPython can raise an exception in another thread (``PyThreadState_SetAsyncExc``), at any of its next bytecodes. `Window`
keeps that inside the code it was meant for: once the code is over nothing is sent any more, and what was sent and has
not arrived is taken back. It relies on CPython delivering such exceptions only at function calls, function entries and
backward jumps: plain assignments and entering a ``try`` are safe, calling a function outside of one is not.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from .registry import CommandError
from .wire import Failure

T = TypeVar("T")

WAKE_SIGNAL = signal.SIGUSR2
"""Sent along once `prepare` has run: it ends system calls, such as ``time.sleep`` or reading from a socket."""

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = (ctypes.c_ulong, ctypes.py_object)

_can_wake = False


class Interrupt(BaseException):
    """Raised inside code that must end. No ``Exception``, so that code which catches those does not swallow it."""


class Interrupted(CommandError):
    """A command was interrupted; its cause is the `Interrupt`, with the traceback of where it struck."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Failure(reason, type="DeadlineExceeded"))


def prepare() -> None:
    """Let interrupts end system calls too. Main thread of the process only; signals can be handled nowhere else."""
    global _can_wake
    signal.signal(WAKE_SIGNAL, _do_nothing)
    _can_wake = True


def _do_nothing(*_: object) -> None:
    """Handle the signal: on its way into this function, Python delivers the interrupt."""


class Window:
    """The time in which one command may be interrupted.

    Attributes:
        reason: Why it was interrupted, or is to be as soon as it can; None while nobody wants that.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._thread = 0
        self._open = False
        self._sending = False

    def run(self, work: Callable[[], T]) -> T:
        """Run code that may be interrupted, in the thread that calls this.

        Raises:
            Interrupted: It was, or was to be before it began.
            BaseException: Whatever the code raised.
        """
        if self.reason is not None:
            raise Interrupted(self.reason)
        self._thread = threading.get_ident()
        try:
            self._open = True
            result = work()
            self._open = False
        except BaseException as error:  # noqa: BLE001 - raised again below, once no interrupt can follow
            self._open = False
            caught: BaseException | None = error
        else:
            caught = None
        # After `_open` was cleared at most two more can arrive: one that was pending, and one that was being sent.
        try:
            self._take_back()
        except Interrupt:
            try:
                self._take_back()
            except Interrupt:
                self._take_back()
        if caught is None:
            return result
        try:
            if isinstance(caught, Interrupt):
                raise Interrupted(self.reason or "interrupted") from caught
            raise caught
        finally:
            del caught  # its traceback refers to this frame

    def interrupt(self, reason: str) -> None:
        """Interrupt the code if it runs now (one other thread). Code may swallow it; then call this again.

        Args:
            reason: A sentence for the client.
        """
        self.reason = reason
        self._sending = True
        try:
            if self._open:
                _set_async_exc(self._thread, Interrupt)
                if _can_wake and self._thread == threading.main_thread().ident:
                    signal.pthread_kill(self._thread, WAKE_SIGNAL)
        finally:
            self._sending = False

    def _take_back(self) -> None:
        while self._sending:
            time.sleep(0)
        _set_async_exc(self._thread, ctypes.py_object())
