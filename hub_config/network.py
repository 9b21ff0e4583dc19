"""Who listens where: the proxy for people, the hub for the containers, the proxy's API for the hub."""

from pathlib import Path
from typing import Any

import docker
from docker.utils import kwargs_from_env

from p2m_spawner.docker_network import ensure_network

from .settings import SettingError, Settings

ROOT = Path(__file__).resolve().parent.parent

PROXY_COMMAND = [
    str(ROOT / ".venv/bin/node"),
    f"--require={ROOT / 'hub_config/broken_streams.cjs'}",
    str(ROOT / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"),
]
"""What starts the hub's proxy."""


def configure(c: Any, settings: Settings) -> None:
    """Bind the public address, and the hub to one that the containers reach.

    Raises:
        SettingError: There is no such address.
        docker.errors.DockerException: The engine does not answer, or refuses the network.
    """
    client = docker.APIClient(**kwargs_from_env(), version="auto")
    address = gateway(client, settings.network) if settings.engine == "docker" else manager_address(client)
    c.JupyterHub.bind_url = settings.bind_url
    if settings.given_public_url:
        c.JupyterHub.public_url = settings.given_public_url  # with https its cookies are for https alone
    c.JupyterHub.hub_bind_url = f"http://{address}:{settings.hub_port}"
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"
    c.ConfigurableHTTPProxy.pid_file = str(settings.state_dir / "proxy.pid")
    c.ConfigurableHTTPProxy.command = PROXY_COMMAND


def gateway(client: docker.APIClient, network: str) -> str:
    """This machine's address on the containers' network, which is made if there is none of that name.

    Raises:
        SettingError: The network has no gateway; the hub would have to listen on every address.
        docker.errors.DockerException: The engine does not answer, or refuses the network.
    """
    address = ensure_network(client, network)
    if not address:
        raise SettingError(
            f"P2M_NETWORK is {network!r}, a network on which the host has no address that Docker tells of; "
            "name one that `docker network create` made, or leave it out."
        )
    return address


def manager_address(client: docker.APIClient) -> str:
    """This machine's address among the machines of its swarm.

    Raises:
        SettingError: Its engine manages no swarm.
        docker.errors.DockerException: The engine does not answer.
    """
    swarm = client.info()["Swarm"]
    if not swarm.get("ControlAvailable"):
        raise SettingError(
            "P2M_ENGINE is 'swarm', and the engine of this machine manages none; run the hub on a manager "
            "(`docker node ls` works there), make one with `docker swarm init`, or leave P2M_ENGINE out."
        )
    return str(swarm["NodeAddr"])
