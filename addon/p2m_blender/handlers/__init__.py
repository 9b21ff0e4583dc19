# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, one file a topic. Importing this package enters them all into the table."""

from . import (
    api,
    camera,
    check,
    code,
    create,
    exchange,
    files,
    focus,
    history,
    materials,
    modifiers,
    objects,
    render,
    scene,
    screenshot,
    status,
    upstream,
    world,
)

__all__ = [
    "api",
    "camera",
    "check",
    "code",
    "create",
    "exchange",
    "files",
    "focus",
    "history",
    "materials",
    "modifiers",
    "objects",
    "render",
    "scene",
    "screenshot",
    "status",
    "upstream",
    "world",
]
