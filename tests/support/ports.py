"""Ports for servers that tests start."""

import random
import socket

SERVER_PORTS = range(20_000, 32_000)
"""Below Linux' range for the clients' side of connections (32768 up): nobody else gets one of these by chance."""


def free_port() -> int:
    """A port on which nothing listens now, on any address."""
    while True:
        port = random.choice(SERVER_PORTS)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
