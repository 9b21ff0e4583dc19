# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, one file a topic. Importing this package enters them all into the table."""

from . import api, check, code, exchange, files, scene, screenshot, status, upstream

__all__ = ["api", "check", "code", "exchange", "files", "scene", "screenshot", "status", "upstream"]
