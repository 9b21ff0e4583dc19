"""The ledger of host ports: which user's server holds which offset into the port ranges.

One offset serves both ranges, so a user whose desktop is on 13007 has the raw MCP socket on 10007. Pure: whether
the host already uses a port is asked through a function that the caller gives.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .errors import PortsExhausted


@dataclass(frozen=True)
class PortPair:
    """The host ports of one server.

    Attributes:
        offset: Position in both ranges, from 0.
        ui: Host port of the Jupyter server, through which the desktop goes.
        mcp: Host port of the raw Blender socket, used only when it is published.
    """

    offset: int
    ui: int
    mcp: int


class PortLedger:
    """Hands out the lowest free offset and remembers who holds it.

    Args:
        ui_start: First host port for Jupyter servers.
        mcp_start: First host port for raw Blender sockets.
        size: Number of pairs, that is of servers at the same time.
    """

    def __init__(self, ui_start: int, mcp_start: int, size: int) -> None:
        self.ui_start = ui_start
        self.mcp_start = mcp_start
        self.size = size
        self._offset_of: dict[str, int] = {}

    def pair(self, offset: int) -> PortPair:
        """The host ports at an offset."""
        return PortPair(offset, self.ui_start + offset, self.mcp_start + offset)

    def allocate(self, owner: str, usable: Callable[[PortPair], bool]) -> PortPair:
        """Give ``owner`` the lowest offset that no other owner holds and that the host can use.

        Args:
            owner: Name of the server; what it held before is released first.
            usable: Whether nothing else on the host listens on the ports of a pair.

        Raises:
            PortsExhausted: No pair is left.
        """
        self.release(owner)
        taken = set(self._offset_of.values())
        for offset in range(self.size):
            if offset not in taken and usable(self.pair(offset)):
                self._offset_of[owner] = offset
                return self.pair(offset)
        raise PortsExhausted(
            "All places on this machine are taken. Try again when somebody has stopped their server, "
            "or ask the administrator for more.",
            reason="ports_exhausted",
            log_message=f"No free port pair: {len(taken)} of {self.size} are held by servers of this hub, the rest "
            f"are used by other programs (UI from {self.ui_start}, MCP from {self.mcp_start}).",
        )

    def restore(self, owner: str, offset: int) -> PortPair:
        """Note an offset that a running server already holds, as read from the spawner's state."""
        self._offset_of[owner] = offset
        return self.pair(offset)

    def release(self, owner: str) -> None:
        """Forget what ``owner`` holds; does nothing when it holds nothing."""
        self._offset_of.pop(owner, None)
