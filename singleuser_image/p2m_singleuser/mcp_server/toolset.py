"""How a topic module lists its tools, and the promises tools make to clients."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

from p2m_singleuser.link import BlenderLink

READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
"""The tool looks and changes nothing."""

EDITS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
"""The tool adds something; calling it again adds it again."""

SETS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
"""The tool gives something a value; calling it again changes nothing more."""

REPLACES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
"""The tool deletes or overwrites something; calling it again changes nothing more."""

CHANGES_ANYTHING = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
)
"""The tool may change or delete anything, and may reach the network."""

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


class Toolset:
    """The tools of one topic.

    A topic module makes one instance named ``tools`` and decorates its functions with `tool`; ``app.py`` registers
    the instance. A function's docstring is the description agents read.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[Callable[..., Awaitable[Any]], dict[str, Any]]] = []
        self.needs: dict[str, str] = {}
        """For each tool the narrowest mode in which it may be called (`modes.MODES`)."""

    def __len__(self) -> int:
        return len(self._entries)

    def tool(self, *, title: str, annotations: ToolAnnotations, needs: str | None = None) -> Callable[[F], F]:
        """Return a decorator that adds a coroutine function to the topic.

        Args:
            title: Name for people.
            annotations: What the tool promises, for instance `READS`.
            needs: Narrowest mode in which it may be called; when left out, ``read-only`` for a tool that only looks,
                ``no-code`` for others. Blender's table of commands, or the tool itself, refuses by the same rule.
        """
        mode = needs or ("read-only" if annotations.read_only_hint else "no-code")

        def add(function: F) -> F:
            self.needs[function.__name__] = mode
            self._entries.append((function, {"title": title, "annotations": annotations}))
            return function

        return add

    @property
    def names(self) -> list[str]:
        """The tools' names, in the order of the module."""
        return [function.__name__ for function, _ in self._entries]

    def register(self, server: MCPServer[BlenderLink]) -> None:
        """Add the topic's tools to a server."""
        for function, options in self._entries:
            server.add_tool(function, description=inspect.getdoc(function), **options)
