"""Who sends a request: bearer tokens in the Authorization header, checked with the hub or with the server's own token.

Cookies and ``?token=`` are not looked at: so a foreign web page cannot make a browser pass this check, and no token
ends up in logs or browser histories.
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from jupyter_server.auth import User
from tornado.web import HTTPError

REALM = 'Bearer realm="p2m"'
RETRY_AFTER_S = 2

_AUTHORIZATION = re.compile(r"(?:bearer|token)\s+(\S+)\s*", re.IGNORECASE)


class Refused(Exception):
    """A request that gets no further.

    Args:
        status: HTTP status.
        message: A sentence for the client.
        **headers: Response headers; an underscore in a name stands for a hyphen.
    """

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


async def authenticate(authorization: str | None, identity_provider: Any) -> User:
    """Return whose token an Authorization header carries.

    Args:
        authorization: The header's value: ``Bearer TOKEN``, or JupyterHub's ``token TOKEN``.
        identity_provider: The Jupyter server's: JupyterHub's (it has ``hub_auth``), or Jupyter's own with a token.

    Raises:
        Refused: 401 without a valid token, 403 for somebody else's, 503 while the hub cannot be asked.
    """
    match = _AUTHORIZATION.fullmatch(authorization or "")
    if match is None:
        raise Refused(
            401,
            "This address needs an API token: send the header 'Authorization: Bearer TOKEN'.",
            WWW_Authenticate=REALM,
        )
    hub_auth = getattr(identity_provider, "hub_auth", None)
    if hub_auth is None:
        return _own_user(match[1], identity_provider.token)
    return await _hub_user(match[1], hub_auth)


def _own_user(token: str, expected: str) -> User:
    if expected and hmac.compare_digest(token.encode(), expected.encode()):
        return User(username="token")
    raise _invalid("The API token is not this server's; its log names the right one at start.")


async def _hub_user(token: str, hub_auth: Any) -> User:
    try:
        model = await hub_auth.user_for_token(token, sync=False)
    except HTTPError as error:
        raise Refused(
            503,
            "The hub cannot check the token at the moment. Try again in a few seconds.",
            Retry_After=str(RETRY_AFTER_S),
        ) from error
    if model is None:
        raise _invalid("The API token is unknown or has expired; make a new one at the hub's token page.")
    if not hub_auth.check_scopes(hub_auth.access_scopes, model):
        raise Refused(
            403,
            f"The token of {model['name']} gives no access to this server.",
            WWW_Authenticate=f'{REALM}, error="insufficient_scope"',
        )
    return User(username=model["name"])


def _invalid(message: str) -> Refused:
    return Refused(401, message, WWW_Authenticate=f'{REALM}, error="invalid_token"')
