# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers here, and whether it is free. All but `ping` are answered while Blender is busy."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import bpy

from .. import session
from ..access import access
from ..mainthread import main_thread
from ..registry import command, table

PROTOCOL_VERSION = 15
"""Revision of upstream's command set these answers keep to; its clients warn about lower ones."""

_MANIFEST = tomllib.loads((Path(__file__).parents[1] / "blender_manifest.toml").read_text(encoding="utf-8"))
_BLENDER_VERSION: str = bpy.app.version_string
_BACKGROUND: bool = bpy.app.background


@command("ping")
def ping() -> dict[str, Any]:
    """Return ``{"pong": true}`` from Blender's main thread."""
    return {"pong": True}


@command("get_status", off_main=True)
def get_status() -> dict[str, Any]:
    """Return whether Blender takes commands.

    Returns:
        ``state`` ("ready" or "busy"), ``busy_since`` (ISO 8601, UTC; null when ready), ``busy_with`` (a command's name
        or a few words; null when ready), ``overdue`` (whether that is a command beyond its deadline which cannot be
        interrupted), ``version`` (of Blender), ``pid``, ``file`` (path of the open file; null when it has none),
        ``rendering`` (whether Blender renders or bakes in its own window), ``tcp_command_at`` (when the latest command
        came by TCP, in seconds since the epoch; null before), ``window`` (whether there is one), ``mode`` ("full",
        "no-code" or "read-only"), ``paused`` (whether a person has paused agents), ``session`` (``state``: "ok",
        "backing off", "failed" or "off"; ``saved_at``: ISO 8601, UTC, null when it never was; ``reason``: a sentence,
        null when all is well; ``notice``: what the start resumed, or null).
    """
    activity = main_thread.activity()
    return {
        "state": "ready" if activity is None else "busy",
        "busy_since": None if activity is None else activity.since_iso,
        "busy_with": None if activity is None else activity.what,
        "overdue": main_thread.stuck() is not None,
        "version": _BLENDER_VERSION.split()[0],
        "pid": os.getpid(),
        "file": main_thread.file,
        "rendering": main_thread.rendering,
        "tcp_command_at": main_thread.tcp_command_at,
        "window": not _BACKGROUND,
        "mode": access.mode,
        "paused": access.paused,
        "session": session.state().facts(),
    }


@command("get_addon_info", off_main=True)
def get_addon_info() -> dict[str, Any]:
    """Return this add-on's name, version and commands, in the form of upstream's handshake.

    Returns:
        ``name``, ``addon_version`` (list of ints), ``protocol_version``, ``capabilities`` (names of all commands),
        ``blender_version``, ``premium_generators`` (always empty).
    """
    return {
        "name": _MANIFEST["name"],
        "addon_version": [int(part) for part in _MANIFEST["version"].split(".")],
        "protocol_version": PROTOCOL_VERSION,
        "capabilities": list(table),
        "blender_version": _BLENDER_VERSION,
        "premium_generators": [],
    }
