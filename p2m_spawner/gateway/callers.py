"""Who calls: from ``Authorization: Bearer`` alone, never from a cookie and never from the URL.

Three kinds of tokens come in: JWTs of the REST API and OAuth access tokens, which are JWTs of another audience (both
verified here), and JupyterHub's own API tokens (the hub is asked, and its answer kept for a few seconds).
"""

import hashlib
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from p2m_spawner import mcp_scopes
from p2m_spawner.gateway import tokens
from p2m_spawner.gateway.grants import Grants
from p2m_spawner.gateway.hub_answers import HubAnswers
from p2m_spawner.gateway.recent import Recent
from p2m_spawner.gateway.refusals import REALM, forbidden, unauthenticated
from p2m_spawner.gateway.tokens import Audience, BadToken, Mode
from p2m_spawner.hub_client import HubClient, HubUser, TokenOwner

KNOWN_FOR = 10.0
"""Seconds for which an answer of the hub is good where not a fresh one is asked for: a revoked token's last seconds."""

DIGEST_KNOWN_FOR = 300.0
"""Seconds for which it is known which token has an id at the hub: longer than any answer of the hub about it."""

MOST_KNOWN = 2000
"""Answers of the hub that are kept at most."""

_BEARER = re.compile(r"(?:bearer|token) +([!-~]+) *", re.IGNORECASE)


@dataclass(frozen=True)
class Caller:
    """Somebody whose token is good.

    Attributes:
        name: Name of the user or service.
        admin: Whether they may act as an administrator with this token.
        mode: What the token allows in Blender.
        client: Who has the token, for people.
        is_user: Whether it is a person; a service of the hub has no Blender.
        may_open: Whether the token opens its owner's server.
        may_stop: Whether the token may stop it.
        may_read_metrics: Whether the token may read metrics.
        grant: Id of the grant of a JWT, None for a token of the hub.
        hub_token: What the hub knows of its token, None for a JWT.
    """

    name: str
    admin: bool
    mode: Mode
    client: str
    is_user: bool = True
    may_open: bool = True
    may_stop: bool = True
    may_read_metrics: bool = False
    grant: str | None = None
    hub_token: TokenOwner | None = None


class Callers:
    """Tells callers by their token.

    Args:
        hub: Asked for hub tokens, and whether users still exist.
        grants: Verifies JWTs.
        clock: Monotonic seconds.
    """

    def __init__(self, hub: HubClient, grants: Grants, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._grants = grants
        self._owners: HubAnswers[TokenOwner] = HubAnswers(KNOWN_FOR, MOST_KNOWN, clock)
        self._users: HubAnswers[HubUser] = HubAnswers(KNOWN_FOR, MOST_KNOWN, clock)
        self._digests: Recent[str] = Recent(DIGEST_KNOWN_FOR, MOST_KNOWN, clock)

    async def identify(
        self,
        authorization: str | None,
        audiences: Collection[Audience],
        *,
        challenge: str = REALM,
        fresh: bool = False,
    ) -> Caller:
        """Who sends an Authorization header.

        Args:
            authorization: The header's value.
            audiences: Which JWTs are good here. Hub tokens always are.
            challenge: Start of the ``WWW-Authenticate`` header of a refusal.
            fresh: Whether the hub is asked again although it was asked just now. Where calls follow each other fast,
                as at the MCP address, a deleted user or revoked hub token works for up to `KNOWN_FOR` more seconds.

        Raises:
            Refusal: 401.
            HubAway, HubRefused, StoreAway: It cannot be told now.
        """
        match = _BEARER.fullmatch(authorization or "")
        if match is None:
            raise unauthenticated(
                "This address needs a token: send the header 'Authorization: Bearer TOKEN'.",
                code="missing_token",
                challenge=challenge,
            )
        try:
            if tokens.looks_like_jwt(match[1]):
                return await self._by_jwt(match[1], audiences, fresh)
            return await self._by_hub_token(match[1], fresh)
        except BadToken as error:
            raise unauthenticated(str(error), challenge=challenge) from error

    async def user(self, name: str, *, fresh: bool = False) -> HubUser | None:
        """A user, as the hub knows them or knew them at most `KNOWN_FOR` seconds ago; None when there is none.

        Raises:
            HubAway, HubRefused: It cannot be told now.
        """
        return await self._users.get(name, lambda: self._hub.user(name), fresh=fresh)

    async def user_since(self, name: str, since: datetime, *, fresh: bool = False) -> HubUser:
        """The user to whom something was given at a time; all their grants end when they are no longer there.

        Somebody new may have got the name of a deleted user.

        Raises:
            BadToken: The hub has deleted them since.
            HubAway, HubRefused, StoreAway: It cannot be told now.
        """
        user = await self.user(name, fresh=fresh)
        if user is None or (user.created is not None and since < user.created):
            await self._grants.revoke_user(name)
            raise BadToken("The user of this token is no longer at this hub.")
        return user

    def forget(self, token: str) -> None:
        """Ask the hub anew when a hub token comes the next time."""
        self._owners.drop(_digest(token))

    def forget_id(self, token_id: str) -> None:
        """As :meth:`forget`, by what the hub calls the token."""
        if digest := self._digests.get(token_id):
            self._owners.drop(digest)

    async def _by_jwt(self, token: str, audiences: Collection[Audience], fresh: bool) -> Caller:
        claims = await self._grants.verify(token, audiences)
        user = await self.user_since(claims.user, datetime.fromtimestamp(claims.issued, UTC), fresh=fresh)
        admin = user.admin and claims.audience is Audience.REST
        return Caller(
            name=user.name,
            admin=admin,
            mode=claims.mode,
            client=claims.client,
            may_stop=claims.audience is Audience.REST,
            may_read_metrics=admin,
            grant=claims.grant,
        )

    async def _by_hub_token(self, token: str, fresh: bool) -> Caller:
        owner = await self._owners.get(_digest(token), lambda: self._hub.owner_of(token), fresh=fresh)
        if owner is None:
            raise BadToken("The token is unknown or has expired; make a new one at the hub's token page.")
        if owner.token_id is not None:
            self._digests.put(owner.token_id, _digest(token))
        mode = mode_of(owner)
        return Caller(
            name=owner.name,
            admin=owner.admin and "admin:servers" in owner.scopes,
            mode=mode or Mode.READ_ONLY,
            client="hub token",
            is_user=owner.kind == "user",
            may_open=owner.kind == "user" and mode is not None,
            may_stop=owner.kind == "user" and owner.may("delete:servers"),
            may_read_metrics="read:metrics" in owner.scopes,
            hub_token=owner,
        )


def mode_of(owner: TokenOwner) -> Mode | None:
    """What a hub token allows in its owner's Blender; None when it does not open it.

    A token with several of these scopes has been given the widest.
    """
    if owner.may("access:servers"):
        return Mode.FULL
    if owner.may(mcp_scopes.NO_CODE):
        return Mode.NO_CODE
    return Mode.READ_ONLY if owner.may(mcp_scopes.READ_ONLY) else None


def need_blender(caller: Caller) -> None:
    """Refuse a caller without a Blender to open.

    Raises:
        Refusal: 403.
    """
    if not caller.is_user:
        raise forbidden("This token belongs to a service of the hub, which has no Blender.")
    if not caller.may_open:
        raise forbidden(
            f"This token of {caller.name} does not open their Blender; make one for agents on the Connect page.",
            code="insufficient_scope",
        )


def need_admin(caller: Caller) -> None:
    """Refuse everybody but administrators.

    Raises:
        Refusal: 403.
    """
    if not caller.admin:
        raise forbidden("Only administrators of this hub may do this.")


def _digest(token: str) -> str:
    """What a token is remembered by, so that none lies in memory."""
    return hashlib.sha256(token.encode()).hexdigest()
