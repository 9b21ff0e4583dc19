"""What clients read first: who guards the MCP address (RFC 9728), and what that authorization server can (RFC 8414)."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2m_spawner.gateway.addresses import Addresses
from p2m_spawner.gateway.oauth.client_documents import ClientDocuments
from p2m_spawner.gateway.oauth.client_metadata import AUTH_METHODS
from p2m_spawner.gateway.oauth.scopes import SCOPES

HEADERS = {"Cache-Control": "no-cache"}


class Metadata:
    """Both documents.

    Args:
        prefix: Path of the gateway.
        addresses: Makes URLs.
        documents: Tell whether client-id metadata documents work here.
    """

    def __init__(self, prefix: str, addresses: Addresses, documents: ClientDocuments) -> None:
        self._prefix = prefix
        self._addresses = addresses
        self._documents = documents

    def routes(self) -> Iterable[Route]:
        """At the addresses that the RFCs ask for: the well-known part first, then the path that it is about."""
        server = f"/.well-known/oauth-authorization-server{self._prefix.rstrip('/')}"
        resource = f"/.well-known/oauth-protected-resource{self._prefix}mcp"
        return [Route(server, self.server, methods=["GET"]), Route(resource, self.resource, methods=["GET"])]

    async def resource(self, request: Request) -> Response:
        """About the MCP address."""
        about = {
            "resource": self._addresses.mcp(request),
            "authorization_servers": [self._addresses.issuer(request)],
            "scopes_supported": list(SCOPES),
            "bearer_methods_supported": ["header"],
            "resource_name": "Blender",
        }
        return JSONResponse(about, headers=HEADERS)

    async def server(self, request: Request) -> Response:
        """About the authorization server."""

        def url(path: str) -> str:
            return self._addresses.gateway(request, path)

        about = {
            "issuer": self._addresses.issuer(request),
            "authorization_endpoint": url("oauth/authorize"),
            "token_endpoint": url("oauth/token"),
            "registration_endpoint": url("oauth/register"),
            "revocation_endpoint": url("oauth/revoke"),
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": AUTH_METHODS,
            "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": self._documents.advertised,
        }
        return JSONResponse(about, headers=HEADERS)
