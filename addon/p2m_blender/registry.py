# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of commands behind both sockets, and how a command is checked and run. No Blender."""

from __future__ import annotations

import inspect
import logging
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .wire import Failure, Outcome, Success

LOG = logging.getLogger("p2m_blender")

Kind = Literal["read", "edit", "code"]
"""What a command may do: ``read`` looks only, ``edit`` changes the scene or files, ``code`` runs any Python."""

Handler = TypeVar("Handler", bound=Callable[..., Any])


class CommandError(Exception):
    """A command failed for a reason its client should read; the text is the reply's message.

    Args:
        message: A sentence for the client.
        failure: A complete answer, for commands that report more than a sentence.
    """

    def __init__(self, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = failure or Failure(message, type="CommandError")


@dataclass(frozen=True)
class Command:
    """One entry of the table.

    Attributes:
        name: What clients call it.
        handler: The function that does it; its signature says which parameters there are.
        kind: What it may do.
        off_main: Whether it may run on the I/O thread: it is quick and touches no Blender data.
        tool: What people read in Blender's undo history: the MCP tool's name where it differs from the command's.
        undo_step: Whether a call becomes an undo step; not for commands that walk the undo history themselves.
        interruptible: Whether the whole handler may be interrupted at its deadline. One that says no marks what may be
            by itself, with `MainThread.interruptible`.
    """

    name: str
    handler: Callable[..., Any]
    kind: Kind
    off_main: bool
    tool: str
    undo_step: bool
    interruptible: bool

    def check(self, params: Mapping[str, Any]) -> None:
        """Compare parameters with the handler's signature.

        Raises:
            CommandError: A parameter is unknown, missing or of the wrong type; the text names them.
        """
        known = inspect.signature(self.handler).parameters
        if unknown := sorted(set(params) - set(known)):
            takes = ", ".join(known) or "none"
            raise self._wrong(f"unknown parameter {', '.join(map(repr, unknown))}; it takes: {takes}")
        required = [name for name, parameter in known.items() if parameter.default is parameter.empty]
        if missing := [name for name in required if name not in params]:
            raise self._wrong(f"missing parameter {', '.join(map(repr, missing))}")
        hints = typing.get_type_hints(self.handler)
        for name, value in params.items():
            if not _fits(value, hints[name]):
                raise self._wrong(f"parameter {name!r} must be {_spell(hints[name])}, got {type(value).__name__}")

    def run(self, params: dict[str, Any], around: Around | None = None, guard: Guard | None = None) -> Outcome:
        """Run the handler with checked parameters. Whatever it raises becomes a `Failure`; this never raises.

        Args:
            params: The checked parameters.
            around: Makes what the handler runs in; see `CommandTable.around`.
            guard: Calls an interruptible handler.
        """
        try:
            with around(self) if around is not None else nullcontext():
                if guard is not None and self.interruptible:
                    return Success(guard(lambda: self.handler(**params)))
                return Success(self.handler(**params))
        except CommandError as error:
            return error.failure
        except BaseException as error:  # a boundary: no command may end Blender's loop
            LOG.exception("%s failed", self.name)
            return Failure(f"{type(error).__name__}: {error}", type=type(error).__name__)

    def _wrong(self, what: str) -> CommandError:
        message = f"{self.name}: {what}"
        return CommandError(message, Failure(message, type="ParameterError"))


Around = Callable[[Command], AbstractContextManager[None]]
Guard = Callable[[Callable[[], Any]], Any]


class CommandTable:
    """Commands by name.

    Attributes:
        around: Makes the context manager in which a command runs on the main thread; None for none. It sees what the
            handler raises, and must let it pass.
    """

    def __init__(self) -> None:
        self.around: Around | None = None
        self._commands: dict[str, Command] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._commands))

    def command(
        self,
        name: str,
        *,
        kind: Kind = "read",
        off_main: bool = False,
        tool: str | None = None,
        undo_step: bool = True,
        interruptible: bool = True,
    ) -> Callable[[Handler], Handler]:
        """Return a decorator that enters a function as a command.

        Args:
            name: What clients call it.
            kind: What it may do.
            off_main: Whether it may run on the I/O thread, so that it is answered while Blender is busy.
            tool: Name for the undo history; the command's own by default.
            undo_step: Whether a call of kind ``edit`` or ``code`` becomes an undo step.
            interruptible: Whether the whole handler may be interrupted at its deadline.

        Raises:
            ValueError: The name is taken.
        """

        def enter(handler: Handler) -> Handler:
            if name in self._commands:
                raise ValueError(f"command {name!r} exists already")
            self._commands[name] = Command(name, handler, kind, off_main, tool or name, undo_step, interruptible)
            return handler

        return enter

    def find(self, name: str) -> Command:
        """Return a command.

        Raises:
            CommandError: There is none of this name.
        """
        found = self._commands.get(name)
        if found is None:
            message = f"Unknown command type: {name}"
            raise CommandError(message, Failure(message, type="UnknownCommand"))
        return found


table = CommandTable()
"""The table that handlers enter themselves into when they are imported."""

command = table.command


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a JSON value is what a type hint asks for."""
    if hint is Any:
        return True
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin is list:
        (item,) = typing.get_args(hint)
        return isinstance(value, list) and all(_fits(entry, item) for entry in value)
    if origin is dict:
        return isinstance(value, dict)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint)


def _spell(hint: Any) -> str:
    """Return a type hint as clients should read it."""
    if hint is type(None):
        return "null"
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_spell(option) for option in typing.get_args(hint))
    if origin is typing.Literal:
        return " or ".join(repr(option) for option in typing.get_args(hint))
    return hint.__name__ if isinstance(hint, type) and origin is None else str(hint)
