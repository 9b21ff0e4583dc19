# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients may do: this Blender's mode, a request's mode, and whether a person has paused them. No Blender."""

from __future__ import annotations

import logging
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from .registry import Command, Kind
from .wire import Failure

LOG = logging.getLogger("p2m_blender")

Mode = Literal["full", "no-code", "read-only"]
"""``full`` allows all commands, ``no-code`` those of kind ``read`` and ``edit``, ``read-only`` only ``read``."""

MODES: tuple[Mode, ...] = typing.get_args(Mode)
"""From the widest to the narrowest."""

PAUSE_FILE = "agents-paused"
"""In ``P2M_RUNTIME_DIR`` while a person has paused the agents: a restart of Blender does not let them go on."""

_NEEDS: dict[Kind, Mode] = {"read": "read-only", "edit": "no-code", "code": "full"}


def mode_from_environment(environ: Mapping[str, str]) -> Mode:
    """Read ``P2M_MCP_MODE``; ``full`` without it. A mode that does not exist is logged and means ``read-only``."""
    text = environ.get("P2M_MCP_MODE") or "full"
    for mode in MODES:
        if text == mode:
            return mode
    LOG.error("P2M_MCP_MODE=%r is none of %s; using read-only", text, ", ".join(MODES))
    return "read-only"


class Access:
    """Decides which commands may run.

    Args:
        mode: The widest mode any request can have.
        pause_file: Where to keep that agents are paused; None keeps it in memory only.
    """

    def __init__(self, mode: Mode = "full", pause_file: Path | None = None) -> None:
        self._mode = mode
        self._pause_file = pause_file
        self._paused = pause_file is not None and pause_file.exists()

    @property
    def mode(self) -> Mode:
        """The widest mode any request can have."""
        return self._mode

    @property
    def paused(self) -> bool:
        """Whether a person has paused the agents."""
        return self._paused

    def pause(self) -> None:
        """Refuse commands that change something from now on."""
        self._paused = True
        self._note()

    def resume(self) -> None:
        """Allow them again."""
        self._paused = False
        self._note()

    def refusal(self, command: Command, requested: str | None = None) -> Failure | None:
        """Return why a command may not run, None when it may.

        Args:
            command: The command.
            requested: The mode its request asks for, which can only narrow this Blender's own.
        """
        if requested is not None and requested not in MODES:
            return Failure(f"The mode must be one of {', '.join(MODES)}, got {requested!r}.", type="ModeRefused")
        mode = max(self._mode, requested or "full", key=MODES.index)
        if MODES.index(mode) > MODES.index(_NEEDS[command.kind]):
            does = "runs code" if command.kind == "code" else "changes the scene or files"
            allowed = "only looking is allowed" if mode == "read-only" else "use a tool that runs no code"
            return Failure(f"{command.tool} {does}, and the mode here is {mode}: {allowed}.", type="ModeRefused")
        if self._paused and command.kind != "read":
            return Failure(
                f"A person has paused agents in Blender, so {command.tool} was not run. Looking still works; "
                "ask them to press Resume in the sidebar (tab MCP) when they are done.",
                type="Paused",
            )
        return None

    def _note(self) -> None:
        if self._pause_file is None:
            return
        try:
            if self._paused:
                self._pause_file.touch()
            else:
                self._pause_file.unlink(missing_ok=True)
        except OSError as error:
            LOG.error("a restart of Blender will not know whether agents are paused: %s", error)


def _of_this_process() -> Access:
    directory = Path(os.environ.get("P2M_RUNTIME_DIR") or "/run/p2m")
    return Access(mode_from_environment(os.environ), directory / PAUSE_FILE if directory.is_dir() else None)


access = _of_this_process()
"""What clients of this process may do; the environment counts as it was at the start."""
