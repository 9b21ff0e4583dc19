"""What a client asks a person for (RFC 6749, section 4.1.1; RFC 7636; RFC 8707), checked. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from p2m_spawner.gateway.oauth import redirects, scopes
from p2m_spawner.gateway.oauth.clients import Client
from p2m_spawner.gateway.tokens import Mode

LONGEST_STATE = 4096

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""Form of PKCE's S256 challenge."""


class BadRequest(Exception):
    """A request that cannot be answered, and whose client is told so only when the person agrees to go back to it.

    Args:
        code: RFC 6749's.
        description: A sentence.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class BadRedirectUri(Exception):
    """The request does not say where to go back to, or not to a place of the client's: there is no way back."""


@dataclass(frozen=True)
class Asked:
    """A request that a person may be asked about.

    Attributes:
        redirect_uri: Where the answer goes.
        state: Handed back as it came; None when there was none.
        challenge: PKCE's.
        modes: What the person may choose from, the widest first.
    """

    redirect_uri: str
    state: str | None
    challenge: str
    modes: tuple[Mode, ...]


def redirect_uri(query: Mapping[str, str], client: Client) -> str:
    """Where the answer goes.

    Raises:
        BadRedirectUri: Nowhere.
    """
    uri = query.get("redirect_uri", "")
    if not redirects.allowed(uri, client.redirect_uris):
        raise BadRedirectUri
    return uri


def checked(query: Mapping[str, str], client: Client, resource: str) -> Asked:
    """Check a request.

    Args:
        query: Its parameters, each at most once.
        client: Who asks.
        resource: The one thing that tokens are for: the MCP address.

    Raises:
        BadRedirectUri, BadRequest: It is not taken.
    """
    uri = redirect_uri(query, client)
    if query.get("response_type") != "code":
        raise BadRequest("unsupported_response_type", "response_type must be code.")
    challenge = query.get("code_challenge", "")
    if query.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
        raise BadRequest("invalid_request", "PKCE with code_challenge_method=S256 is needed.")
    if not is_resource(query.get("resource"), resource):
        raise BadRequest("invalid_target", f"Tokens of this hub are for {resource}.")
    if len(query.get("state", "")) > LONGEST_STATE:
        raise BadRequest("invalid_request", f"state may have at most {LONGEST_STATE} characters.")
    try:
        modes = scopes.offered(query.get("scope"))
    except scopes.NoScope as error:
        raise BadRequest("invalid_scope", str(error)) from error
    return Asked(uri, query.get("state"), challenge, modes)


def is_resource(asked: str | None, resource: str) -> bool:
    """Whether a ``resource`` parameter names the MCP address; clients of older protocols send none."""
    return asked is None or asked.rstrip("/").lower() == resource.lower()
