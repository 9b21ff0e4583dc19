"""How a container gets the host ports that its server holds, and how a restarted hub reads them from it."""

from typing import Any

from .docker_options import BLENDER_PORT
from .docker_ports import host_port
from .host_ports import HostPorts


class ContainerPorts(HostPorts):
    """Publishes the ports of a container. ``publish_mcp`` is the mixin's."""

    @property
    def port_bindings(self) -> dict[int, tuple[str, int | None]]:
        """Where each published port of the container appears on the host, for ``create_host_config``.

        A server that holds no ports gets those that the engine chooses at each start.
        """
        ui, mcp = (self.ports.ui, self.ports.mcp) if self.ports else (None, None)
        bindings = {self.port: (self.host_ip, ui)}
        return {**bindings, BLENDER_PORT: ("127.0.0.1", mcp)} if self.publish_mcp else bindings

    async def get_object(self) -> Any:
        """What the engine says of the container, None without one; its ports, when the database knows none."""
        container = await super().get_object()
        if container and container["State"]["Running"] and not self.ports and (ui := host_port(container, self.port)):
            self.restore_ports(ui, host_port(container, BLENDER_PORT))
        return container
