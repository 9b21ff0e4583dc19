"""What a request may do in Blender: the header of the hub's side, this container's mode, and a person's pause.

Blender's add-on decides for its own commands; here is what the MCP server decides for the tools that go around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

HEADER = "X-P2M-Mode"
"""Request header that narrows the mode of one request."""

MODES = ("full", "no-code", "read-only")
"""From the widest to the narrowest."""


def narrowest(values: Iterable[str]) -> str | None:
    """Return the narrowest mode that headers name, None when they name none.

    Args:
        values: The headers' values; each may name several modes, with commas between them.

    Returns:
        One of `MODES`, or the first word that is no mode: Blender refuses it.
    """
    words = [word.strip() for value in values for word in value.split(",")]
    for word in words:
        if word not in MODES:
            return word
    return max(words, key=MODES.index, default=None)


def in_force(mode: str | None, environ: Mapping[str, str]) -> str:
    """Return the mode that counts: the narrower of a request's and this container's.

    Args:
        mode: The request's own mode, from `narrowest`.
        environ: ``P2M_MCP_MODE`` is this container's mode.

    Returns:
        One of `MODES`; a word that is none of them counts as the narrowest.
    """
    words = (mode or "full", environ.get("P2M_MCP_MODE") or "full")
    return max((word if word in MODES else MODES[-1] for word in words), key=MODES.index)


def includes(mode: str, needed: str) -> bool:
    """Return whether a mode allows what needs another one, both of `MODES`."""
    return MODES.index(mode) <= MODES.index(needed)


def why_no_change(mode: str | None, environ: Mapping[str, str], runtime: Path) -> str | None:
    """Return why a tool that changes something may not run, None when it may.

    Args:
        mode: The request's own mode, from `narrowest`.
        environ: ``P2M_MCP_MODE`` is this container's mode.
        runtime: The runtime directory, where Blender notes that a person has paused agents.
    """
    for text in (mode, environ.get("P2M_MCP_MODE") or "full"):
        if text is not None and text not in ("full", "no-code"):
            return f"The mode here is {text}: only looking is allowed."
    if (runtime / "agents-paused").exists():
        return "A person has paused agents in Blender; ask them to press Resume in the sidebar (tab MCP)."
    return None
