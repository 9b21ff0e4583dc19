# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, one file a topic. Importing this package enters them all into the table."""

from . import (
    camera,
    code,
    create,
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
    "camera",
    "code",
    "create",
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
