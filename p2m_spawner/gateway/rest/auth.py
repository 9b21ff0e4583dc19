"""Sign-up, login, refresh, logout."""

import time
from collections.abc import Callable
from typing import Any

from p2m_spawner.accounts.names import normalise
from p2m_spawner.accounts.throttle import LeakyBuckets
from p2m_spawner.gateway.grants import TokenPair
from p2m_spawner.gateway.refusals import Refusal, forbidden, unauthenticated
from p2m_spawner.gateway.rest.calls import Asked, Result
from p2m_spawner.gateway.rest.models import LoggedIn, SignedUp, Tokens
from p2m_spawner.gateway.servers import state_of
from p2m_spawner.gateway.tokens import Audience, BadToken, Mode
from p2m_spawner.hub_client import HubRefused

CLIENT = "REST API"
"""What the grants of logins are called."""

LOGINS_PER_NAME = 30
LOGINS_PERIOD = 300.0
"""So many successful logins of one name in so many seconds; each keeps a row in the database. Failed ones are throttled
by the hub."""


async def sign_up(asked: Asked) -> Result:
    """Make an account."""
    try:
        made = await asked.gateway.hub.sign_up(asked.body.username, asked.body.password, _forwarded_for(asked))
    except HubRefused as refusal:
        raise _account_refusal(refusal) from refusal
    status = "ready" if made["state"] == "active" else "awaiting approval"
    return 201, SignedUp.model_validate({"user_id": made["name"], "username": made["name"], "status": status})


class Login:
    """The login call, with its own throttle.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._successes: LeakyBuckets[str] = LeakyBuckets(LOGINS_PER_NAME, LOGINS_PERIOD, clock)

    async def __call__(self, asked: Asked) -> Result:
        """Check name and password, start the user's server without waiting for it, and give out tokens."""
        gateway, counted = asked.gateway, asked.gateway.metrics.sign_ins
        name = normalise(asked.body.username)[:64]
        if wait := self._successes.wait(name):
            counted.labels("throttled").inc()
            raise _too_many(wait)
        try:
            signed_in = await gateway.hub.sign_in(asked.body.username, asked.body.password, _forwarded_for(asked))
        except HubRefused as refusal:
            problem = _account_refusal(refusal)
            counted.labels(problem.code).inc()
            raise problem from refusal
        self._successes.add(name)
        counted.labels("ok").inc()
        user = signed_in["name"]
        pair = await gateway.grants.issue(user, client=CLIENT, mode=Mode.FULL, audience=Audience.REST)
        known = await gateway.hub.user(user)
        ready = known is not None and state_of(known.server) == "ready"
        if not ready:
            gateway.servers.start(user)
        return 200, LoggedIn(
            **_tokens(pair),
            user_id=user,
            username=user,
            ui_url=gateway.addresses.desktop(asked.request, user),
            mcp_url=gateway.addresses.mcp(asked.request),
            server="ready" if ready else "starting",
        )


async def refresh(asked: Asked) -> Result:
    """Exchange a refresh token for new tokens."""
    token, grants = asked.body.refresh_token, asked.gateway.grants
    try:
        # The hub is asked first: if it is away, the token must not be used up.
        if (grant := await grants.grant_of(token)) is not None:
            await asked.gateway.callers.user_since(grant.user, grant.created, fresh=True)
        pair = await grants.refresh(token)
    except BadToken as error:
        raise unauthenticated(str(error)) from error
    return 200, Tokens(**_tokens(pair))


async def log_out(asked: Asked) -> Result:
    """End the caller's sign-in; with `stop_server` also their server."""
    gateway, caller = asked.gateway, asked.caller
    if asked.query.stop_server:
        if not caller.may_stop:
            raise forbidden("This token may not stop the server.", code="insufficient_scope")
        if (user := await gateway.hub.user(caller.name)) is not None:
            await gateway.servers.stop(user)
    if caller.grant is not None:
        await gateway.grants.revoke(caller.grant)
    elif caller.hub_token is not None:
        token = asked.request.headers["authorization"].split()[-1]
        try:
            await gateway.hub.revoke(token, caller.hub_token)
        except HubRefused as refusal:
            message = "This hub token may not end itself; revoke it on the hub's token page."
            raise forbidden(message, code="insufficient_scope") from refusal
        gateway.callers.forget(token)
    return 204, None


def _forwarded_for(asked: Asked) -> str:
    """The way a request has come: the hub reads the client's address from it, as it does for its own pages."""
    client = asked.request.client
    return asked.request.headers.get("x-forwarded-for") or (client.host if client else "")


def _tokens(pair: TokenPair) -> dict[str, Any]:
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_in": pair.expires_in,
    }


def _account_refusal(refusal: HubRefused) -> Refusal:
    """What the hub says about a name and password, in this API's codes.

    Raises:
        HubRefused: It is no answer to a client.
    """
    if refusal.status == 404:  # the hub's authenticator has no such call
        return Refusal(403, "no_passwords", "This hub keeps no passwords: sign in on its page, and make a token there.")
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else None
    if refusal.code == "wrong_credentials":
        return unauthenticated(refusal.message, code=refusal.code)
    if refusal.code:
        return Refusal(refusal.status, refusal.code, refusal.message, headers)
    raise refusal


def _too_many(wait: float) -> Refusal:
    seconds = max(1, round(wait))
    message = f"Too many logins. Try again in {seconds} seconds, and refresh tokens instead of logging in anew."
    return Refusal(429, "throttled", message, {"Retry-After": str(seconds)})
