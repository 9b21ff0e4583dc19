# SPDX-License-Identifier: GPL-3.0-or-later
"""MCP for Blender: a socket through which agents and notebooks work in a running Blender.

Importing this package needs no Blender; `register` does.
"""

from importlib import import_module

_PARTS = (".preferences", ".panels", ".changes", ".pump")


def register() -> None:
    """Register the panels and start the server. Called by Blender when the add-on is enabled."""
    for part in _PARTS:
        import_module(part, __name__).register()


def unregister() -> None:
    """Stop the server and remove the panels. Called by Blender when the add-on is disabled."""
    for part in reversed(_PARTS):
        import_module(part, __name__).unregister()
