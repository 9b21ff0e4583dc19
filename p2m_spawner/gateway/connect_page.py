"""``/services/p2m/``: the *Connect* page. How one's Blender is, configurations for MCP clients, tokens, clients.

A token for an agent is a token of the hub, made, listed and ended with what the hub gave out for the visitor's own
sign-in: the gateway itself has no right to make any. What it allows in Blender are its scopes (`mcp_scopes`). So the
hub's token page has it as well, it ends with its user, and nothing is kept here.
"""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2m_spawner import mcp_scopes
from p2m_spawner.gateway.callers import mode_of
from p2m_spawner.gateway.parts import Gateway
from p2m_spawner.gateway.reach import CONNECT_DEADLINE, Waiting, existing_user, reach
from p2m_spawner.gateway.refusals import Refusal
from p2m_spawner.gateway.servers import StartFailed
from p2m_spawner.gateway.sign_in import Person
from p2m_spawner.gateway.store import Grant
from p2m_spawner.gateway.tokens import Mode
from p2m_spawner.gateway.validation import valid
from p2m_spawner.gateway.visits import NO_STORE, reader, visitor
from p2m_spawner.hub_client import HubRefused, TokenOwner, UserToken

NOTE = "MCP agent"
"""How the notes of tokens for agents begin, by which they are found among the hub's."""

DAY = 24 * 3600


class NewToken(BaseModel):
    """A token that somebody asks for."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    mode: Mode = Mode.FULL
    days: Annotated[int, Field(ge=1, le=366)] = 30


class Revocation(BaseModel):
    """What somebody ends."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["token", "client"]
    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9]+$")]


def scopes_for(mode: Mode, name: str) -> list[str]:
    """The scopes of a token for an agent.

    Args:
        mode: What it may do in Blender.
        name: Of the user.
    """
    limited = {Mode.NO_CODE: mcp_scopes.NO_CODE, Mode.READ_ONLY: mcp_scopes.READ_ONLY}
    # The filter keeps the token from the user's other servers.
    return [limited[mode]] if mode in limited else [f"access:servers!server={name}/"]


def routes(gateway: Gateway) -> Iterable[Route]:
    """The page, and what its script asks for."""
    prefix = gateway.settings.prefix

    async def page(request: Request) -> Response:
        person = await visitor(gateway, request)
        return gateway.pages.page(
            "connect_page.html",
            person,
            gateway_url=gateway.addresses.mcp(request),
            direct_url=gateway.addresses.direct_mcp(request, person.name),
        )

    async def state(request: Request) -> Response:
        person = await reader(gateway, request)
        return JSONResponse(await _state(gateway, person.name), headers=NO_STORE)

    async def start(request: Request) -> Response:
        person = await gateway.sign_in.person_who_posts(request)
        gateway.servers.start(person.name)
        return JSONResponse({}, 202, NO_STORE)

    async def test(request: Request) -> Response:
        person = await gateway.sign_in.person_who_posts(request)
        return JSONResponse(await _test(gateway, person.name), headers=NO_STORE)

    async def list_all(request: Request) -> Response:
        person = await reader(gateway, request)
        return JSONResponse(await _tokens_and_clients(gateway, person), headers=NO_STORE)

    async def make(request: Request) -> Response:
        person = await gateway.sign_in.person_who_posts(request)
        wanted = valid(NewToken, await request.body())
        token = await _make(gateway, person, wanted)
        return JSONResponse({"token": token, "mode": wanted.mode.value}, 201, NO_STORE)

    async def revoke(request: Request) -> Response:
        person = await gateway.sign_in.person_who_posts(request)
        await _revoke(gateway, person, valid(Revocation, await request.body()))
        return Response(status_code=204, headers=NO_STORE)

    return [
        Route(prefix, gateway.pages.endpoint(page), methods=["GET"]),
        Route(f"{prefix}pages/state", state, methods=["GET"]),
        Route(f"{prefix}pages/start", start, methods=["POST"]),
        Route(f"{prefix}pages/test", test, methods=["POST"]),
        Route(f"{prefix}pages/tokens", list_all, methods=["GET"]),
        Route(f"{prefix}pages/tokens", make, methods=["POST"]),
        Route(f"{prefix}pages/tokens/revoke", revoke, methods=["POST"]),
    ]


async def _state(gateway: Gateway, name: str) -> dict[str, Any]:
    """How a user's server is, in the words of the hub's and the server's own documents (static/js/words.js)."""
    user = await existing_user(gateway, name)
    server, start = user.server, gateway.servers.starting(name)
    place = await gateway.servers.place(user)
    return {
        "server": {"ready": server.ready, "pending": server.pending} if server else None,
        "progress": start.message if start else None,
        "blender": await gateway.servers.status(user),
        "raw_port": place.mcp_port,
    }


async def _test(gateway: Gateway, name: str) -> dict[str, Any]:
    """Reach a user's Blender as an agent does.

    Raises:
        Refusal: 504 with the reason, when it cannot be reached in time.
    """
    waiting = Waiting()
    try:
        async with asyncio.timeout(CONNECT_DEADLINE):
            reached = await reach(gateway, name, waiting)
    except (StartFailed, TimeoutError) as error:
        reason = str(error) or f"Not ready after {CONNECT_DEADLINE:.0f} seconds. {waiting.reason}"
        raise Refusal(504, "not_connected", reason) from error
    return {"num_tools": reached.num_tools, "milliseconds": round(reached.seconds * 1000, 1)}


async def _tokens_and_clients(gateway: Gateway, person: Person) -> dict[str, Any]:
    """All that opens a user's Blender and can be ended, what was used last at the beginning."""
    tokens = await gateway.hub.tokens_of(person.name, person.hub_token)
    grants = await gateway.grants.of_user(person.name)
    return {
        "tokens": [_token(token, person.name) for token in reversed(tokens) if token.note.startswith(NOTE)],
        "clients": [_client(grant) for grant in grants],
    }


def _token(token: UserToken, owner: str) -> dict[str, Any]:
    mode = mode_of(TokenOwner(owner, "user", admin=False, scopes=token.scopes, token_id=token.id))
    return {
        "id": token.id,
        "name": token.note.removeprefix(NOTE).lstrip(" :–"),
        "mode": mode.value if mode else None,
        "used": token.used.isoformat() if token.used else None,
        "expires": token.expires.isoformat() if token.expires else None,
    }


def _client(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "name": grant.client,
        "mode": grant.mode,
        "used": grant.used.isoformat(),
        "expires": grant.expires.isoformat(),
    }


async def _make(gateway: Gateway, person: Person, wanted: NewToken) -> str:
    """Make a token.

    Raises:
        Refusal: 422, the hub allows none that lives so long.
    """
    try:
        return await gateway.hub.make_token(
            person.name,
            person.hub_token,
            note=f"{NOTE}: {wanted.name.strip()}" if wanted.name.strip() else NOTE,
            scopes=scopes_for(wanted.mode, person.name),
            expires_in=wanted.days * DAY,
        )
    except HubRefused as refusal:
        if refusal.status != 400:
            raise
        raise Refusal(422, "refused_by_hub", f"The hub does not make this token: {refusal.message}") from refusal


async def _revoke(gateway: Gateway, person: Person, what: Revocation) -> None:
    """End a token or the sign-in of a client; does nothing when it has ended already.

    Raises:
        Refusal: 404, there is none of this id among the user's.
    """
    if what.kind == "client":
        if what.id not in {grant.id for grant in await gateway.grants.of_user(person.name)}:
            raise _nothing_to_end()
        await gateway.grants.revoke(what.id)
        return
    try:
        await gateway.hub.end_token(person.name, person.hub_token, what.id)
    except HubRefused as refusal:
        if refusal.status != 404:
            raise
        raise _nothing_to_end() from refusal
    gateway.callers.forget_id(what.id)


def _nothing_to_end() -> Refusal:
    return Refusal(404, "no_such_token", "This has ended already.")
