"""The token endpoint (RFC 6749, sections 4.1.3 and 6) and the revocation endpoint (RFC 7009), for clients."""

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from p2m_spawner.gateway import tokens
from p2m_spawner.gateway.addresses import Addresses
from p2m_spawner.gateway.callers import Callers
from p2m_spawner.gateway.grants import Grants, Reused, TokenPair
from p2m_spawner.gateway.metrics import Metrics
from p2m_spawner.gateway.oauth import scopes
from p2m_spawner.gateway.oauth.authorization_request import is_resource
from p2m_spawner.gateway.oauth.client_documents import is_address
from p2m_spawner.gateway.oauth.clients import Clients
from p2m_spawner.gateway.oauth.codes import BadCode, Codes
from p2m_spawner.gateway.oauth.problems import OAuthProblem
from p2m_spawner.gateway.tokens import Audience, BadToken, Mode

log = logging.getLogger(__name__)

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

Form = dict[str, str]


class TokensForClients:
    """Both endpoints.

    Args:
        clients: Those that have registered.
        grants: Make, refresh and end tokens.
        codes: Open codes.
        callers: Tell whether a user is still there.
        addresses: Make URLs.
        metrics: Count.
    """

    def __init__(
        self,
        clients: Clients,
        grants: Grants,
        codes: Codes,
        callers: Callers,
        addresses: Addresses,
        metrics: Metrics,
    ) -> None:
        self._clients = clients
        self._grants = grants
        self._codes = codes
        self._callers = callers
        self._addresses = addresses
        self._metrics = metrics

    async def token(self, request: Request) -> Response:
        """Give out tokens.

        Raises:
            OAuthProblem: None are given out.
            HubAway, HubRefused, StoreAway: It cannot be told now.
        """
        try:
            pair = await self._pair(request)
        except OAuthProblem as problem:
            self._metrics.oauth.labels("token", problem.code).inc()
            raise
        self._metrics.oauth.labels("token", "ok").inc()
        answer = {
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "expires_in": pair.expires_in,
            "refresh_token": pair.refresh_token,
            "scope": scopes.of(Mode(pair.grant.mode)),
        }
        return JSONResponse(answer, headers=NO_STORE)

    async def _pair(self, request: Request) -> TokenPair:
        form = await _form(request)
        client_id = await self._client_id(request, form)
        if not is_resource(form.get("resource"), self._addresses.mcp(request)):
            raise OAuthProblem("invalid_target", f"Tokens of this hub are for {self._addresses.mcp(request)}.")
        try:
            given, exchange = self._given(form, client_id)
            # The hub is asked first: if it is away, a code or token must not be used up.
            if (grant := await self._grants.grant_of(given)) is not None:
                await self._callers.user_since(grant.user, grant.created, fresh=True)
            return await exchange(given, client_id)
        except Reused as error:
            log.warning("Client %s has used a code or refresh token twice", client_id)
            raise OAuthProblem("invalid_grant", str(error)) from error
        except (BadCode, BadToken) as error:
            raise OAuthProblem("invalid_grant", str(error)) from error

    def _given(self, form: Form, client_id: str) -> tuple[str, Callable[[str, str], Awaitable[TokenPair]]]:
        """What a client brings, and what exchanges it.

        Raises:
            BadCode: It is a code, and not this client's.
            OAuthProblem: It brings nothing.
        """
        kind = form.get("grant_type")
        if kind == "refresh_token":
            return _needed(form, "refresh_token"), self._grants.refresh
        if kind == "authorization_code":
            code, redirect_uri, verifier = (_needed(form, name) for name in ("code", "redirect_uri", "code_verifier"))
            return self._codes.ticket(code, client_id, redirect_uri, verifier), self._grants.redeem
        raise OAuthProblem("unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")

    async def revoke(self, request: Request) -> Response:
        """End the sign-in that a token belongs to, be it access or refresh token; unknown ones need no ending.

        Raises:
            OAuthProblem: The client does not prove itself.
            StoreAway: It cannot be done now.
        """
        form = await _form(request)
        client_id = await self._client_id(request, form)
        given = _needed(form, "token")
        try:
            if tokens.looks_like_jwt(given):
                grant = await self._grants.grant_of_access_token(given, [Audience.MCP])
            else:
                grant = await self._grants.grant_of(given)
        except BadToken:
            grant = None
        if grant is not None and grant.client_id == client_id:
            await self._grants.revoke(grant.id)
            self._metrics.oauth.labels("revoke", "ok").inc()
        return Response(status_code=200, headers=NO_STORE)

    async def _client_id(self, request: Request, form: Form) -> str:
        """The client that sends a form, once it has proved itself (RFC 6749, section 2.3).

        A client whose id is an address is a public one; its document was read when a person was asked.

        Raises:
            OAuthProblem: It does not.
        """
        basic = _basic(request)
        client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret"))
        if form.get("client_id", client_id) != client_id:
            raise OAuthProblem("invalid_request", "client_id differs between header and body.")
        if is_address(client_id) and not secret:
            return client_id
        client = await self._clients.find(client_id) if client_id else None
        if client is None or not client.has_secret(secret):
            headers = {"WWW-Authenticate": 'Basic realm="p2m"'} if basic else {}
            message = "This client is not known here, or does not prove itself. Register anew."
            raise OAuthProblem("invalid_client", message, 401, headers)
        return client_id


async def _form(request: Request) -> Form:
    """A form's fields, each once and text.

    Raises:
        OAuthProblem: It is something else.
    """
    pairs = (await request.form()).multi_items()
    form = {name: value for name, value in pairs if isinstance(value, str)}
    if len(form) != len(pairs):
        raise OAuthProblem("invalid_request", "The body must be a form (application/x-www-form-urlencoded).")
    return form


def _needed(form: Form, name: str) -> str:
    value = form.get(name)
    if not value:
        raise OAuthProblem("invalid_request", f"{name} is missing.")
    return value


def _basic(request: Request) -> tuple[str, str] | None:
    """Client id and secret of a Basic header, None without one.

    Raises:
        OAuthProblem: It cannot be read.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise OAuthProblem("invalid_request", "The Authorization header cannot be read.") from error
    if not colon:
        raise OAuthProblem("invalid_request", "The Authorization header cannot be read.")
    return unquote_plus(client_id), unquote_plus(secret)
