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
    """Bind the public address, and the hub to the gateway of the containers' network.

    Raises:
        SettingError: The network has no gateway; the hub would have to listen on every address.
        docker.errors.DockerException: The engine does not answer, or refuses the network.
    """
    client = docker.APIClient(**kwargs_from_env(), version="auto")
    gateway = ensure_network(client, settings.network)
    if not gateway:
        raise SettingError(
            f"P2M_NETWORK is {settings.network!r}, a network on which the host has no address that Docker tells of; "
            "name one that `docker network create` made, or leave it out."
        )
    c.JupyterHub.bind_url = settings.bind_url
    if settings.given_public_url:
        c.JupyterHub.public_url = settings.given_public_url  # with https its cookies are for https alone
    c.JupyterHub.hub_bind_url = f"http://{gateway}:{settings.hub_port}"
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"
    c.ConfigurableHTTPProxy.pid_file = str(settings.state_dir / "proxy.pid")
    c.ConfigurableHTTPProxy.command = PROXY_COMMAND
