"""Where Blender's MCP server is: the socket of one's own container, or a URL and a token."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from p2m_singleuser.notebook.errors import BlenderProblem

URL_VARIABLE = "P2M_MCP_URL"
TOKEN_VARIABLE = "P2M_MCP_TOKEN"  # noqa: S105 - the name of a variable
SOCKET_URL = "http://localhost/mcp"
"""The host is one that the MCP server's rebinding protection knows."""

_HOW = (
    f'Pass connect(url, token), or set {URL_VARIABLE} and {TOKEN_VARIABLE}. The hub\'s page "Connect an agent" shows '
    "the URL and makes a token."
)


@dataclass(frozen=True)
class Address:
    """Where to connect.

    Attributes:
        url: The MCP endpoint.
        token: Sent as ``Authorization: Bearer``; None where none is needed.
        socket: Unix socket that stands for the URL's host; None for the network.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    socket: Path | None = None

    @property
    def words(self) -> str:
        """How errors call it."""
        return "this server's Blender" if self.socket is not None else self.url


def find(url: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Address:
    """Return the address for `connect`'s arguments.

    Args:
        url: As the caller gave it; None takes ``P2M_MCP_URL``, or else the socket of this container.
        token: As the caller gave it; None takes ``P2M_MCP_TOKEN``.
        environ: The environment.

    Raises:
        BlenderProblem: There is no address, no token for one, or a token in the URL.
    """
    url = url or environ.get(URL_VARIABLE)
    if not url:
        socket = Path(environ.get("P2M_RUNTIME_DIR", "/run/p2m")) / "mcp.sock"
        if not socket.parent.is_dir():
            raise BlenderProblem(f"This is not a Blender server, so connect() needs to know where yours is. {_HOW}")
        return Address(SOCKET_URL, socket=socket)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BlenderProblem(f"{url!r} is no address; it begins with https:// or http://. {_HOW}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BlenderProblem(
            "The URL carries more than an address. Pass the token apart, as connect(url, token): in a URL it would end "
            "up in logs."
        )
    token = token or environ.get(TOKEN_VARIABLE)
    if not token:
        raise BlenderProblem(f"{url} needs a token. {_HOW}")
    if not token.isascii() or any(character.isspace() for character in token):
        raise BlenderProblem("The token has spaces or letters that no token has; copy it once more.")
    return Address(url, token)
