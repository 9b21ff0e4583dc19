"""Which ports of the host are taken, as the host, the engine and a container's own description say it."""

import errno
import socket
from typing import Any

import docker
from docker.errors import APIError


def port_is_free(host_ip: str, port: int) -> bool:
    """Whether nothing that can be seen from here listens on a port; nothing can where the engine is on another host."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host_ip, port))
        except OSError as error:
            return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def port_was_taken(error: APIError) -> bool:
    """Whether the engine refused a start because another program has got a published port meanwhile."""
    return "port is already allocated" in str(error) or "address already in use" in str(error)


def published_ports(client: docker.APIClient) -> set[int]:
    """All ports of the host that running containers of the engine publish, whoever they belong to.

    Raises:
        docker.errors.APIError: The engine refused.
    """
    ports = [port for container in client.containers() for port in container["Ports"]]
    return {port["PublicPort"] for port in ports if "PublicPort" in port}


def host_port(container: dict[str, Any], port: int) -> int | None:
    """The port of the host on which a container publishes one of its TCP ports.

    Args:
        container: What ``inspect_container`` says of it.
        port: The port inside.

    Returns:
        None when it is not published, or on a port that the engine chooses.
    """
    bindings = (container["HostConfig"].get("PortBindings") or {}).get(f"{port}/tcp") or []
    return next((int(binding["HostPort"]) for binding in bindings if binding["HostPort"]), None)
