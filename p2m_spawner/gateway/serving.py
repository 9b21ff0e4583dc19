"""The process that serves: the application on a socket that the supervisor keeps open."""

import asyncio
import logging
import socket
import sys
import threading

import uvicorn

from p2m_spawner.gateway.app import create_app
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.settings import GatewaySettings

GRACE_SECONDS = 2
"""For requests that are under way when the gateway is asked to stop; then streams are ended."""

CUT_SECONDS = GRACE_SECONDS + 1
"""Until what is left is cut."""


class Server(uvicorn.Server):
    """uvicorn's, which tells streams before it cuts them.

    Args:
        config: What to serve.
        gateway: Told when it is about to stop.
    """

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._gateway.stopping.set)
        await super().shutdown(sockets)


def serve(settings: GatewaySettings, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, or until the supervisor is gone.

    Args:
        settings: What the environment says.
        listener: A socket that listens.

    Raises:
        p2m_spawner.gateway.keys.KeyFileError: The keys of tokens cannot be used.
        p2m_spawner.schema.WrongSchema: The database's tables cannot be used.
    """
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line per request to the hub
    gateway = Gateway.from_settings(settings)
    config = uvicorn.Config(
        create_app(gateway),
        log_config=None,
        access_log=False,
        # The client's address is for the hub to find out, which gets the header as it comes.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=CUT_SECONDS,
    )
    server = Server(config, gateway)
    threading.Thread(target=_stop_with_the_supervisor, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def _stop_with_the_supervisor(server: uvicorn.Server) -> None:
    """Wait for the end of standard input, which the supervisor holds and never writes to."""
    sys.stdin.buffer.read()
    server.should_exit = True
