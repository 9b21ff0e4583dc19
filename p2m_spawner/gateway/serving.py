"""The process that serves: the application on a socket that the supervisor keeps open."""

import logging
import socket
import sys
import threading

import uvicorn

from p2m_spawner.gateway.app import create_app
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.settings import GatewaySettings

GRACE_SECONDS = 3
"""Until open streams are cut when the gateway is asked to stop."""


def serve(settings: GatewaySettings, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, or until the supervisor is gone.

    Args:
        settings: What the environment says.
        listener: A socket that listens.

    Raises:
        p2m_spawner.gateway.keys.KeyFileError: The keys of tokens cannot be used.
    """
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line per request to the hub
    config = uvicorn.Config(
        create_app(Gateway.from_settings(settings)),
        log_config=None,
        access_log=False,
        # The client's address is for the hub to find out, which gets the header as it comes.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_stop_with_the_supervisor, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def _stop_with_the_supervisor(server: uvicorn.Server) -> None:
    """Wait for the end of standard input, which the supervisor holds and never writes to."""
    sys.stdin.buffer.read()
    server.should_exit = True
