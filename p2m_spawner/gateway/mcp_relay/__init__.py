"""``/services/p2m/mcp``: one MCP address for everybody. Finds the caller's own endpoint, wakes it, and passes on."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route

from p2m_spawner.gateway.mcp_relay.endpoint import MAX_BODY, PATH, McpRelay
from p2m_spawner.gateway.parts import Gateway

__all__ = ["MAX_BODY", "PATH", "routes"]


def routes(gateway: Gateway) -> Iterable[BaseRoute]:
    """The MCP address."""
    return [Route(f"{gateway.settings.prefix}{PATH}", McpRelay(gateway))]
