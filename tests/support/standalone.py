"""A container of the user image without a hub: its MCP endpoint on the loopback, opened by a token."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import requests

from .image import IMAGE
from .waiting import wait_for

START_S = 90.0
"""Seconds for a start on a machine that does other things too."""


@dataclass(frozen=True)
class Standalone:
    """A running container.

    Attributes:
        container: What the engine knows of it.
        url: Its Jupyter server, with a slash at the end.
        token: What opens it.
    """

    container: Any
    url: str
    token: str

    @property
    def mcp_url(self) -> str:
        """Its MCP endpoint."""
        return f"{self.url}p2m/mcp"

    def log(self) -> str:
        """What it printed lately."""
        return str(self.container.logs(tail=200).decode("utf-8", "replace"))

    def is_ready(self) -> bool:
        """Whether Blender, the MCP server and the desktop answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.get(f"{self.url}p2m/status", headers=headers, timeout=10)
        return answer.ok and bool(answer.json()["ready"])


@contextlib.contextmanager
def standalone(**environment: str) -> Iterator[Standalone]:
    """Run a container until the block ends; it is ready when the block begins.

    Args:
        environment: Environment of the container.
    """
    token = secrets.token_hex(16)
    container = docker.from_env().containers.run(
        IMAGE,
        ["start-p2m", f"--IdentityProvider.token={token}"],
        detach=True,
        environment=environment,
        ports={"8888/tcp": ("127.0.0.1", None)},
    )
    try:
        container.reload()
        port = container.ports["8888/tcp"][0]["HostPort"]
        running = Standalone(container, f"http://127.0.0.1:{port}/", token)
        try:
            wait_for(running.is_ready, START_S, "a container that is ready", interval=0.3)
        except TimeoutError:
            print(running.log())
            raise
        yield running
    finally:
        container.remove(force=True, v=True)
