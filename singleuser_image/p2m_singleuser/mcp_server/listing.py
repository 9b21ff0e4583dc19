"""Lists only the tools that the mode of a request lets its client call (docs/protocol.md, "Modes and pause").

Who may only look gets a short list without what would be refused, instead of trying it. A list is right for as long as
a client has its token: neither the token's mode nor this container's changes meanwhile. A person's pause does not
shorten the list, because it passes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from p2m_singleuser import modes

METHOD = "tools/list"


class Listing:
    """Middleware of the MCP server.

    Args:
        needs: For each tool the narrowest mode in which it may be called.
    """

    def __init__(self, needs: Mapping[str, str]) -> None:
        self._needs = needs

    def names(self, mode: str | None = None) -> set[str]:
        """The tools that may be called here.

        Args:
            mode: What the request asks for; None when it asks for nothing narrower than this container's mode.
        """
        allowed = modes.in_force(mode, os.environ)
        return {name for name, needed in self._needs.items() if modes.includes(allowed, needed)}

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on, and shorten the answer if it is a list of tools."""
        result = await call_next(ctx)
        if ctx.method != METHOD or not isinstance(result, dict):
            return result
        asked = modes.narrowest(ctx.request.headers.getlist(modes.HEADER)) if ctx.request is not None else None
        names = self.names(asked)
        return {**result, "tools": [tool for tool in result["tools"] if tool["name"] in names]}
