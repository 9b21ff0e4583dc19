"""The addresses that people and programs use, as seen from where a request came from."""

from urllib.parse import quote

from starlette.requests import Request

from p2m_spawner import urls
from p2m_spawner.gateway.refusals import REALM
from p2m_spawner.gateway.settings import GatewaySettings


class Addresses:
    """Makes URLs for answers.

    Args:
        settings: Have the public address, if there is a fixed one.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._public_url = settings.public_url
        self._prefix = settings.prefix
        self._base = settings.hub_prefix.removesuffix("hub/")

    def origin(self, request: Request) -> str:
        """Scheme, host and port of the hub, without a last slash.

        The request's own ``Host`` has been checked (`middleware`). The scheme is what the outermost proxy says; it only
        goes back to who sent it.
        """
        if self._public_url:
            return self._public_url
        said = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
        return f"{'https' if said == 'https' else 'http'}://{request.headers['host']}"

    def gateway(self, request: Request, path: str = "") -> str:
        """A URL of the gateway itself."""
        return urls.below(f"{self.origin(request)}{self._prefix}", path)

    def mcp(self, request: Request) -> str:
        """The MCP address for everybody."""
        return self.gateway(request, "mcp")

    def issuer(self, request: Request) -> str:
        """Who gives out OAuth tokens: the gateway."""
        return self.gateway(request).rstrip("/")

    def well_known(self, request: Request, kind: str, of: str) -> str:
        """Where metadata about a URL of the gateway is (RFC 8414, section 3.1; RFC 9728, section 3.1).

        Args:
            request: Its origin counts.
            kind: ``oauth-authorization-server`` or ``oauth-protected-resource``.
            of: The URL.
        """
        origin = self.origin(request)
        return f"{origin}/.well-known/{kind}{of.removeprefix(origin)}"

    def mcp_challenge(self, request: Request) -> str:
        """Start of ``WWW-Authenticate`` at the MCP address: tells clients where to find out how to get a token."""
        metadata = self.well_known(request, "oauth-protected-resource", self.mcp(request))
        return f'{REALM}, resource_metadata="{metadata}"'

    def desktop(self, request: Request, user: str) -> str:
        """A user's Blender in the browser."""
        return self._server(request, user, urls.DESKTOP)

    def direct_mcp(self, request: Request, user: str) -> str:
        """A user's own MCP address, which takes tokens of the hub and wakes nobody."""
        return self._server(request, user, urls.MCP)

    def _server(self, request: Request, user: str, path: str) -> str:
        return urls.below(f"{self.origin(request)}{self._base}user/{quote(user, safe='@~')}", path)
