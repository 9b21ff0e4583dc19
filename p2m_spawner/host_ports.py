"""The host ports of a user's server: where the ranges begin, which pair it holds, and what of it outlives the hub."""

from typing import Any, ClassVar

from dockerspawner import DockerSpawner
from traitlets import Int

from .docker_ports import port_is_free
from .ports import PortLedger, PortPair


class HostPorts(DockerSpawner):
    """Keeps the port pair of a server in the ledger as long as the server lives. ``publish_mcp`` is the mixin's."""

    ui_port_start = Int(
        13000,
        min=1,
        max=65535,
        help="""
        First port (default 13000) of the host on which Jupyter servers, and through them the desktops, are
        published on ``host_ip``. Not used with ``use_internal_ip``.

        Example: ``c.BlenderDockerSpawner.ui_port_start = 23000``.
        """,
    ).tag(config=True)

    mcp_port_start = Int(
        10000,
        min=1,
        max=65535,
        help="""
        First port (default 10000) of the host on which raw Blender sockets are published when ``publish_mcp`` is
        on. A user has the same offset here and from ``ui_port_start``.

        Example: ``c.BlenderDockerSpawner.mcp_port_start = 20000``.
        """,
    ).tag(config=True)

    port_range_size = Int(
        1000,
        min=1,
        help="""
        Number (default 1000) of port pairs, that is of servers that can run at the same time.

        Example: ``c.BlenderDockerSpawner.port_range_size = 40`` on a machine that holds forty.
        """,
    ).tag(config=True)

    ports: PortPair | None = None
    """What this server holds, None while it holds nothing."""

    _ledgers: ClassVar[dict[tuple[int, int, int], PortLedger]] = {}

    @property
    def _ledger(self) -> PortLedger:
        """The one ledger of this hub for these ranges."""
        ranges = (self.ui_port_start, self.mcp_port_start, self.port_range_size)
        return self._ledgers.setdefault(ranges, PortLedger(*ranges))

    def allocate_ports(self, refused: frozenset[int] | set[int] = frozenset()) -> None:
        """Take the lowest pair that nobody has, in exchange for the one that is held.

        Args:
            refused: Ports that are taken although the host does not show it.

        Raises:
            PortsExhausted: No pair is free.
        """

        def is_usable(pair: PortPair) -> bool:
            wanted = {pair.ui: self.host_ip, pair.mcp: "127.0.0.1"} if self.publish_mcp else {pair.ui: self.host_ip}
            return all(port not in refused and port_is_free(ip, port) for port, ip in wanted.items())

        self.ports = self._ledger.allocate(self._log_name, is_usable)

    def restore_ports(self, ui: int, mcp: int | None) -> None:
        """Take over what a running server has, of which the hub's database knows no ports.

        A hub that was killed before it could write them down has started it.

        Args:
            ui: The port of its Jupyter server.
            mcp: That of its raw socket; None when it is not published.
        """
        pair = PortPair(ui, mcp or self.mcp_port_start + ui - self.ui_port_start)
        self.ports = self._ledger.restore(self._log_name, pair)

    def get_state(self) -> dict[str, Any]:
        """The engine's state and the ports, so that a restarted hub knows which are taken."""
        state: dict[str, Any] = super().get_state()
        if self.ports:
            state["ports"] = self.ports._asdict()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` saved."""
        super().load_state(state)
        if "ports" in state:
            self.ports = self._ledger.restore(self._log_name, PortPair(**state["ports"]))

    def clear_state(self) -> None:
        """Forget the server and give the ports back."""
        super().clear_state()
        self._ledger.release(self._log_name)
        self.ports = None
