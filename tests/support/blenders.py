"""Containers of the user image without a hub, with Blender's TCP socket and the Jupyter server on the loopback."""

import contextlib
import json
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import docker
import requests

from .image import IMAGE
from .waiting import wait_for

START_S = 90.0
"""Seconds for a start on a machine that does other things too."""


class ObjectClient:
    """A client of upstream's wire."""

    def __init__(self, port: int, seconds: float = 60) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> "ObjectClient":
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, name: str, /, **params: object) -> None:
        """Send a command and do not wait."""
        self.socket.sendall(json.dumps({"type": name, "params": params}).encode())

    def reply(self) -> dict[str, Any]:
        """The next reply; raises ConnectionError when the other side has closed."""
        while True:
            if self._rest.endswith(b"}"):
                with contextlib.suppress(json.JSONDecodeError):
                    reply, end = json.JSONDecoder().raw_decode(self._rest.decode("ascii"))
                    self._rest = self._rest[end:]
                    return dict(reply)
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError(f"closed after {self._rest[:200]!r}")
            self._rest += data

    def call(self, name: str, /, **params: object) -> dict[str, Any]:
        """Send a command and return its reply."""
        self.send(name, **params)
        return self.reply()

    def run(self, code: str) -> str:
        """Run code that must succeed; return what it printed."""
        reply = self.call("execute_code", code=code)
        assert reply["status"] == "success", reply
        return str(reply["result"]["result"])


@dataclass(frozen=True)
class RunningBlender:
    """A container and how to reach what runs in it.

    Attributes:
        container: What the engine knows of it.
        token: What opens its Jupyter server.
    """

    container: Any
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    def port(self, inside: int) -> int:
        """The port on this machine."""
        return int(self.container.ports[f"{inside}/tcp"][0]["HostPort"])

    @property
    def url(self) -> str:
        """Its Jupyter server, with a slash at the end."""
        return f"http://127.0.0.1:{self.port(8888)}/"

    @property
    def headers(self) -> dict[str, str]:
        """What opens it."""
        return {"Authorization": f"Bearer {self.token}"}

    def connect(self) -> ObjectClient:
        """Open a connection to Blender's TCP socket."""
        return ObjectClient(self.port(9876))

    def status(self) -> dict[str, Any]:
        """The status document."""
        return dict(requests.get(f"{self.url}p2m/status", headers=self.headers, timeout=10).json())

    def exec(self, *command: str) -> str:
        """Run a command inside and return what it printed."""
        code, output = self.container.exec_run(list(command))
        assert code == 0, output
        return str(output.decode("utf-8", "replace"))

    def log(self) -> str:
        """What it printed lately."""
        return str(self.container.logs(tail=200).decode("utf-8", "replace"))

    def pings(self) -> bool:
        """Whether Blender's main thread answers on TCP."""
        with self.connect() as client:
            return client.call("ping")["status"] == "success"


@contextlib.contextmanager
def running_blender(**environment: str) -> Iterator[RunningBlender]:
    """Run a container until the block ends; it is ready when the block begins.

    Args:
        environment: Environment of the container.
    """
    token = secrets.token_hex(16)
    container = docker.from_env().containers.run(
        IMAGE,
        ["start-p2m", f"--IdentityProvider.token={token}"],
        detach=True,
        environment={"P2M_BLENDER_TCP_HOST": "0.0.0.0", **environment},  # noqa: S104 - inside the container
        ports={"8888/tcp": ("127.0.0.1", None), "9876/tcp": ("127.0.0.1", None)},
    )
    try:
        container.reload()
        blender = RunningBlender(container, token)
        try:
            wait_for(lambda: blender.status()["ready"], START_S, "a container that is ready", interval=0.3)
            wait_for(blender.pings, START_S, "Blender's answer", interval=0.3)
        except TimeoutError:
            print(blender.log())
            raise
        yield blender
    finally:
        container.remove(force=True, v=True)
