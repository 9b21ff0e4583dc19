"""The REST API: what each call does. Its table, `CALLS`, is at the end."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.routing import BaseRoute

from p2m_spawner.accounts.names import normalise
from p2m_spawner.accounts.throttle import LeakyBuckets
from p2m_spawner.gateway import api_page
from p2m_spawner.gateway.callers import need_blender
from p2m_spawner.gateway.calls import Answer, Asked, Call, Result
from p2m_spawner.gateway.grants import TokenPair
from p2m_spawner.gateway.models import (
    AdminSession,
    Blender,
    CleanedUp,
    Connected,
    Credentials,
    Idle,
    Job,
    LoggedIn,
    Mcp,
    NotConnected,
    OtherUser,
    Page,
    Problem,
    Refresh,
    Session,
    Sessions,
    SignedUp,
    StopServer,
    Tokens,
)
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.reach import CONNECT_DEADLINE, Waiting, existing_user, reach
from p2m_spawner.gateway.refusals import Refusal, forbidden, unauthenticated
from p2m_spawner.gateway.servers import StartFailed, Status, state_of
from p2m_spawner.gateway.tokens import Audience, BadToken, Mode
from p2m_spawner.hub_client import HubRefused, HubUser

log = logging.getLogger(__name__)

CLIENT = "REST API"
"""What the grants of logins are called."""

ASKED_AT_ONCE = 20
"""Servers asked for their status at the same time."""

LOGINS_PER_NAME = 30
LOGINS_PERIOD = 300.0
"""So many successful logins of one name in so many seconds; each keeps a row in the database. Failed ones are throttled
by the hub."""


# Sign-up, login, refresh, logout


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
    try:
        pair = await asked.gateway.grants.refresh(asked.body.refresh_token)
        await asked.gateway.callers.user_since(pair.grant.user, pair.grant.created, fresh=True)
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


# Sessions


async def session(asked: Asked) -> Result:
    """Tell how the caller's server is; does not start it."""
    user = await existing_user(asked.gateway, asked.caller.name)
    return 200, Session.model_validate(await _session(asked, user, await asked.gateway.servers.status(user)))


async def _session(asked: Asked, user: HubUser, status: Status | None) -> dict[str, Any]:
    """The fields of a session."""
    place = await asked.gateway.servers.place(user)
    server = user.server
    state = state_of(server)
    return {
        "active": state == "ready",
        "user_id": user.name,
        "username": user.name,
        "server": state,
        "mcp_port": place.mcp_port,
        "blender_ui_port": place.ui_port,
        "ui_url": asked.gateway.addresses.desktop(asked.request, user.name),
        "mcp_url": asked.gateway.addresses.mcp(asked.request),
        "created_at": server.started if server else None,
        "last_activity": server.last_activity if server else None,
        "mcp": Mcp.model_validate(status["mcp"] if status else {"state": "down", "num_tools": 0}),
    }


async def admin_sessions(asked: Asked) -> Result:
    """List the servers of all users."""
    users = sorted(await asked.gateway.hub.active_users(), key=lambda user: user.name)
    shown = users[asked.query.offset :][: asked.query.limit]
    gate = asyncio.Semaphore(ASKED_AT_ONCE)

    async def look(user: HubUser) -> AdminSession:
        async with gate:
            status = await asked.gateway.servers.status(user)
            fields = await _session(asked, user, status)
        blender = Blender.model_validate(status["blender"]) if status else None
        jobs = [Job.model_validate(job) for job in status["jobs"]] if status else []
        return AdminSession.model_validate({**fields, "blender": blender, "jobs": jobs})

    return 200, Sessions(sessions=list(await asyncio.gather(*map(look, shown))), total=len(users))


async def clean_up(asked: Asked) -> Result:
    """Stop servers that nobody has used for some minutes, unless Blender works or renders in them."""
    servers = asked.gateway.servers
    unused_since = datetime.now(UTC) - timedelta(minutes=asked.query.idle_minutes)
    gate = asyncio.Semaphore(ASKED_AT_ONCE)
    done = CleanedUp(stopped=[], kept={})

    async def look(user: HubUser) -> None:
        async with gate:
            known = user.server.last_activity if user.server else None
            used = await servers.last_activity(user) or known
            if used is None or used > unused_since:
                return
            if reason := why_keep(await servers.status(user)):
                done.kept[user.name] = reason
                return
            await servers.stop(user)
            done.stopped.append(user.name)
            log.info("%s stops the server of %s, unused since %s", asked.caller.name, user.name, used)

    users = await asked.gateway.hub.active_users()
    await asyncio.gather(*(look(user) for user in users if state_of(user.server) == "ready"))
    return 200, CleanedUp(stopped=sorted(done.stopped), kept=dict(sorted(done.kept.items())))


def why_keep(status: Status | None) -> str | None:
    """Why a server that nobody has used must not be stopped, None when it may be.

    Args:
        status: Its status document, None when it does not answer.
    """
    if status is None:
        return "It does not tell its status."
    if jobs := len(status["jobs"]):
        return f"{jobs} render{'s' if jobs > 1 else ''} going on."
    if status["blender"]["state"] == "busy":
        return "Blender is busy."
    return None


# Connect


async def connect(asked: Asked) -> Result:
    """Wake a user's Blender if it sleeps, and reach it as an MCP client does."""
    gateway, caller = asked.gateway, asked.caller
    name = asked.query.user_id or caller.name
    if name == caller.name:
        need_blender(caller)
    elif not caller.admin:
        raise forbidden("Only administrators of this hub may connect to somebody else's Blender.")
    waiting = Waiting()
    begun = time.monotonic()
    try:
        async with asyncio.timeout(CONNECT_DEADLINE):
            reached = await reach(gateway, name, waiting)
    except (StartFailed, TimeoutError) as error:
        reason = str(error) or f"Not ready after {CONNECT_DEADLINE:.0f} seconds. {waiting.reason}"
        gateway.metrics.connects.labels("failed").inc()
        return 504, NotConnected(reason=reason)
    gateway.metrics.connects.labels("connected").inc()
    gateway.metrics.connect_seconds.observe(time.monotonic() - begun)
    return 200, Connected(num_tools=reached.num_tools)


# The table

TAGS = {"auth": "Accounts and tokens", "user": "One's own Blender", "admin": "For administrators"}


def calls() -> list[Call]:
    """All calls of one gateway."""
    throttled = Answer(429, "Too many tries; `Retry-After` says when to come back.", Problem)
    no_passwords = "This hub keeps no passwords (`no_passwords`)"
    return [
        Call(
            "POST",
            "auth/signup",
            "Make an account",
            sign_up,
            "anybody",
            (
                Answer(201, "The account is made.", SignedUp),
                Answer(403, f"Sign-up is closed. {no_passwords}.", Problem),
                Answer(409, "The name is taken.", Problem),
                Answer(422, "The name cannot be used (`bad_name`) or the password is weak (`weak_password`).", Problem),
                throttled,
            ),
            body=Credentials,
        ),
        Call(
            "POST",
            "auth/login",
            "Log in, and start one's container without waiting for it",
            Login(),
            "anybody",
            (
                Answer(200, "Tokens, and where Blender is.", LoggedIn),
                Answer(401, "Name and password do not belong together.", Problem),
                Answer(403, f"The account awaits approval. {no_passwords}.", Problem),
                throttled,
            ),
            body=Credentials,
        ),
        Call(
            "POST",
            "auth/refresh",
            "Exchange a refresh token for new tokens",
            refresh,
            "anybody",
            (
                Answer(200, "New tokens; the old refresh token no longer works.", Tokens),
                Answer(
                    401, "Unknown or ended; one that was used before ends the whole sign-in it belongs to.", Problem
                ),
            ),
            body=Refresh,
        ),
        Call(
            "POST",
            "auth/logout",
            "Log out: the token and its refresh token no longer work",
            log_out,
            "owner",
            (Answer(204, "Logged out.", None), Answer(403, "A hub token that may not do this.", Problem)),
            query=StopServer,
        ),
        Call(
            "GET",
            "user/session",
            "How one's own server is",
            session,
            "user",
            (Answer(200, "The server, running or not.", Session),),
        ),
        Call(
            "POST",
            "connect",
            "Wake Blender and reach it through MCP",
            connect,
            "owner",
            (
                Answer(200, "The MCP server has listed its tools.", Connected),
                Answer(403, "Somebody else's Blender, and the caller is no administrator.", Problem),
                Answer(404, "There is no such user.", Problem),
                Answer(504, "Not within 30 seconds, or the start has failed.", NotConnected),
            ),
            query=OtherUser,
        ),
        Call(
            "GET",
            "admin/sessions",
            "List everybody's servers",
            admin_sessions,
            "admin",
            (Answer(200, "Those that run, start or stop.", Sessions),),
            query=Page,
        ),
        Call(
            "POST",
            "admin/cleanup-idle",
            "Stop servers that nobody uses",
            clean_up,
            "admin",
            (Answer(200, "Servers that are being stopped, and idle ones that still work.", CleanedUp),),
            query=Idle,
        ),
    ]


def routes(gateway: Gateway) -> Iterable[BaseRoute]:
    """The calls, their OpenAPI document and a page that shows it."""
    table = calls()
    return [*(call.route(gateway) for call in table), *api_page.routes(gateway, table)]
