# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that upstream blender-mcp's clients (1.6 to 2.2) ask for around every command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..registry import command

INTEGRATIONS = ("hunyuan3d", "hyper3d", "meshy", "polyhaven", "polypizza", "sketchfab", "tripo")
"""Asset services upstream can be connected to. None of them is part of this add-on."""


@command("get_telemetry_consent", off_main=True)
def get_telemetry_consent() -> dict[str, Any]:
    """Return that nothing may be sent anywhere."""
    return {"consent": False}


@command("set_telemetry_consent", off_main=True)
def set_telemetry_consent(consent: bool = False) -> dict[str, Any]:
    """Return that nothing may be sent anywhere, whatever the client would like.

    Args:
        consent: What the client asks for; has no effect.
    """
    return {"consent": False}


def _status_of(name: str) -> Callable[[], dict[str, Any]]:
    def status() -> dict[str, Any]:
        return {"enabled": False, "message": f"The {name} integration is not part of this Blender's MCP add-on."}

    return status


for _name in INTEGRATIONS:
    command(f"get_{_name}_status", off_main=True)(_status_of(_name))
