# SPDX-License-Identifier: GPL-3.0-or-later
"""What to say when a name is not known: which ones there are. No Blender."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from .registry import CommandError

NAMED = 64
"""Most names that an error lists."""


def unknown(kind: str, name: str, known: Iterable[str], *, list_all: bool = False) -> CommandError:
    """Return the error for a name that is not there.

    Args:
        kind: What it should have been, for instance ``"Object"``.
        name: What the client asked for.
        known: The names there are.
        list_all: Whether to name all of them too, up to `NAMED`; for what a client cannot look up.
    """
    choices = list(known)
    message = f"{kind} not found: {name}"
    if near := similar(name, choices):
        message += f". Similar: {', '.join(near)}"
    if list_all:
        more = f" and {len(choices) - NAMED} more" if len(choices) > NAMED else ""
        message += f". There are: {', '.join(choices[:NAMED]) or 'none'}{more}"
    return CommandError(message)


def similar(name: str, known: Iterable[str], most: int = 5) -> list[str]:
    """Return the known names most like a name, the best first; upper and lower case count as equal."""
    by_key: dict[str, list[str]] = {}
    for choice in known:
        by_key.setdefault(choice.lower(), []).append(choice)
    near = difflib.get_close_matches(name.lower(), by_key, n=most, cutoff=0.6)
    return [choice for key in near for choice in by_key[key]][:most]
