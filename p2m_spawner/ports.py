"""The ledger of host ports: which user's server holds which pair of ports.

One offset serves both ranges, so a user whose desktop is on 13007 has the raw MCP socket on 10007. Pure: whether
the host already uses a port is asked through a function that the caller gives.
"""

from collections.abc import Callable
from typing import NamedTuple

from .errors import PortsExhausted

LAST_PORT = 65535


class PortPair(NamedTuple):
    """The host ports of one server.

    Attributes:
        ui: Host port of the Jupyter server, through which the desktop goes.
        mcp: Host port of the raw Blender socket, used only when it is published.
    """

    ui: int
    mcp: int


class PortLedger:
    """Hands out the pair of the lowest free offset and remembers who holds it.

    Args:
        ui_start: First host port for Jupyter servers.
        mcp_start: First host port for raw Blender sockets.
        size: Number of pairs, that is of servers at the same time; fewer where the ranges meet the last port.
    """

    def __init__(self, ui_start: int, mcp_start: int, size: int) -> None:
        self.ui_start = ui_start
        self.mcp_start = mcp_start
        self.size = min(size, LAST_PORT + 1 - max(ui_start, mcp_start))
        self._held: dict[str, PortPair] = {}

    def pair(self, offset: int) -> PortPair:
        """The host ports at an offset."""
        return PortPair(self.ui_start + offset, self.mcp_start + offset)

    def allocate(self, owner: str, usable: Callable[[PortPair], bool]) -> PortPair:
        """Give ``owner`` the lowest pair of which nobody else holds a port and that the host can use.

        Args:
            owner: Name of the server; what it held before is released first.
            usable: Whether nothing else on the host listens on the ports of a pair.

        Raises:
            PortsExhausted: No pair is left.
        """
        self.release(owner)
        taken = {port for pair in self._held.values() for port in pair}
        for offset in range(self.size):
            pair = self.pair(offset)
            if taken.isdisjoint(pair) and usable(pair):
                self._held[owner] = pair
                return pair
        raise PortsExhausted(
            "All places on this machine are taken. Try again when somebody has stopped their server, "
            "or ask the administrator for more.",
            reason="ports_exhausted",
            log_message=f"No free port pair: {len(self._held)} of {self.size} are held by servers of this hub, the "
            f"rest are used by other programs (UI from {self.ui_start}, MCP from {self.mcp_start}).",
        )

    def restore(self, owner: str, pair: PortPair) -> PortPair:
        """Note a pair that a running server already holds, from the hub's database or from the server itself.

        It may lie outside the ranges: an operator may have changed them while the server ran.

        Returns:
            The pair.
        """
        self._held[owner] = pair
        return pair

    def release(self, owner: str) -> None:
        """Forget what ``owner`` holds; does nothing when it holds nothing."""
        self._held.pop(owner, None)
