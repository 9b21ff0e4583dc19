# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, one file a topic. Importing this package enters them all into the table."""

from . import code, focus, render, scene, screenshot, status, upstream

__all__ = ["code", "focus", "render", "scene", "screenshot", "status", "upstream"]
