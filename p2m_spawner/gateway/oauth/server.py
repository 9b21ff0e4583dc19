"""The authorization server's parts, put together."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2m_spawner.gateway.addresses import Addresses
from p2m_spawner.gateway.callers import Callers
from p2m_spawner.gateway.grants import Grants
from p2m_spawner.gateway.metrics import Metrics
from p2m_spawner.gateway.oauth.authorization import Authorization
from p2m_spawner.gateway.oauth.client_documents import ClientDocuments
from p2m_spawner.gateway.oauth.client_store import ClientStore
from p2m_spawner.gateway.oauth.clients import Clients
from p2m_spawner.gateway.oauth.codes import Codes
from p2m_spawner.gateway.oauth.metadata import Metadata
from p2m_spawner.gateway.oauth.problems import OAuthProblem
from p2m_spawner.gateway.oauth.public_fetch import PublicFetch
from p2m_spawner.gateway.oauth.registration import Registration
from p2m_spawner.gateway.oauth.tokens_for_clients import TokensForClients
from p2m_spawner.gateway.pages import Endpoint, Pages
from p2m_spawner.gateway.settings import GatewaySettings
from p2m_spawner.gateway.sign_in import SignIn
from p2m_spawner.gateway.tokens import Keys


class OAuthServer:
    """The authorization server of one gateway.

    Args:
        settings: What the environment says.
        grants: Keep what was allowed.
        keys: Seal codes.
        callers: Tell whether a user is still there.
        addresses: Make URLs.
        metrics: Count.
        pages: Show pages.
        sign_in: Who is at a browser.
        fetch: Gets client-id metadata documents.

    Raises:
        sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ImportError: The database's URL is unusable.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        grants: Grants,
        keys: Keys,
        callers: Callers,
        addresses: Addresses,
        metrics: Metrics,
        pages: Pages,
        sign_in: SignIn,
        fetch: Callable[[str], Awaitable[bytes]] | None = None,
    ) -> None:
        self._prefix = settings.prefix
        self._pages = pages
        self._clients = Clients(ClientStore(settings.db_url))
        documents, codes = ClientDocuments(fetch or PublicFetch()), Codes(keys)
        self._metadata = Metadata(settings.prefix, addresses, documents)
        self._registration = Registration(self._clients, metrics)
        self._authorization = Authorization(sign_in, pages, addresses, self._clients, documents, grants, codes, metrics)
        self._tokens = TokensForClients(self._clients, grants, codes, callers, addresses, metrics)

    def routes(self) -> Iterable[Route]:
        """All of it."""
        at = f"{self._prefix}oauth/"
        return [
            *self._metadata.routes(),
            Route(f"{at}register", as_json(self._registration), methods=["POST"]),
            Route(f"{at}authorize", self._pages.endpoint(self._authorization.show), methods=["GET"]),
            Route(f"{at}authorize", self._pages.endpoint(self._authorization.decide), methods=["POST"]),
            Route(f"{at}token", as_json(self._tokens.token), methods=["POST"]),
            Route(f"{at}revoke", as_json(self._tokens.revoke), methods=["POST"]),
        ]

    def close(self) -> None:
        """Close the database of clients."""
        self._clients.close()


def as_json(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose refusals have the form of OAuth's, not that of the gateway's own API."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OAuthProblem as problem:
            return JSONResponse(problem.body, problem.status, {"Cache-Control": "no-store", **problem.headers})

    return answer
