"""Sign-ins and their tokens: made, refreshed, revoked. For the REST API and the OAuth server alike; knows no HTTP.

A refresh token is ``GRANT.SECRET`` and works once. A grant's refresh token that has been used before, or was never
made, means that somebody else has a copy: the whole grant ends (RFC 9700, section 4.14.2).

An OAuth grant begins as a promise: the person has allowed it, and its client fetches the tokens with a ticket, which is
such a token too.
"""

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from p2m_spawner.gateway import tokens
from p2m_spawner.gateway.recent import Recent
from p2m_spawner.gateway.store import Grant, GrantStore
from p2m_spawner.gateway.store_calls import StoreCalls
from p2m_spawner.gateway.tokens import Audience, BadToken, Claims, Mode

log = logging.getLogger(__name__)

REFRESH_LIFETIME = timedelta(days=30)
"""How long a refresh token lives unused."""

CODE_LIFETIME = timedelta(seconds=60)
"""How long a sign-in that a person has allowed waits for its client (RFC 6749, section 4.1.2: at most 10 minutes)."""

USED_EVERY = timedelta(minutes=5)
"""How exact the time of a grant's last use is."""

KNOWN_FOR = 30.0
"""Seconds for which a grant that was good is not looked up again. Revoking forgets it at once."""

MOST_KNOWN = 10_000
"""Grants remembered as good."""

REFRESH_TOKEN = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}")
"""Form of a refresh token."""


class Reused(BadToken):
    """A refresh token came a second time: its grant has been ended."""


@dataclass(frozen=True)
class TokenPair:
    """What a client gets.

    Attributes:
        access_token: A JWT.
        refresh_token: Works once.
        expires_in: Seconds that the access token lives.
        grant: The grant that both belong to.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    grant: Grant


class Grants:
    """All sign-ins of one hub. Use from one event loop. Every coroutine may raise `StoreAway` (`store_calls`).

    Args:
        store: Where they are kept.
        keys: What tokens are signed with.
        clock: Unix seconds.
    """

    def __init__(self, store: GrantStore, keys: tokens.Keys, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._good: Recent[Grant] = Recent(KNOWN_FOR, MOST_KNOWN, clock)
        self._calls = StoreCalls(store.url)

    async def issue(self, user: str, *, client: str, mode: Mode, audience: Audience, client_id: str = "") -> TokenPair:
        """Make a grant and its first tokens. See :class:`Grant` for the arguments."""
        refresh = _new_refresh_token(grant_id := secrets.token_hex(16))
        grant = self._grant(grant_id, _hash(refresh), REFRESH_LIFETIME, user, client, mode, audience, client_id)
        self._forget(await self._calls.run(self._store.add, grant))
        return self._pair(grant, refresh)

    async def promise(self, user: str, *, client: str, mode: Mode, audience: Audience, client_id: str) -> str:
        """Make a grant whose tokens its client has yet to fetch. See :class:`Grant` for the arguments.

        Returns:
            A ticket for :meth:`redeem`, good once and for `CODE_LIFETIME`.
        """
        ticket = _new_refresh_token(grant_id := secrets.token_hex(16))
        grant = self._grant(grant_id, _ticket_hash(ticket), CODE_LIFETIME, user, client, mode, audience, client_id)
        self._forget(await self._calls.run(self._store.add, grant))
        return ticket

    async def redeem(self, ticket: str, client_id: str) -> TokenPair:
        """The first tokens of a promised grant.

        Args:
            ticket: From :meth:`promise`.
            client_id: The OAuth client that comes with it.

        Raises:
            Reused: It was redeemed before; the grant has been ended (RFC 6749, section 4.1.2).
            BadToken: It is unknown, expired or another client's.
        """
        return await self._exchange(ticket, _ticket_hash, client_id)

    async def refresh(self, refresh_token: str, client_id: str = "") -> TokenPair:
        """Exchange a refresh token for new tokens; the old one stops working.

        Args:
            refresh_token: As received.
            client_id: The OAuth client that sends it; a token of another client is refused.

        Raises:
            Reused: It was used before; the grant has been ended.
            BadToken: It is unknown, expired, revoked or another client's.
        """
        return await self._exchange(refresh_token, _hash, client_id)

    async def grant_of(self, refresh_token: str) -> Grant | None:
        """The grant that a refresh token names, good or not, used or not; None for an unknown one."""
        if not REFRESH_TOKEN.fullmatch(refresh_token):
            return None
        return await self._calls.run(self._store.find, refresh_token.partition(".")[0])

    async def grant_of_access_token(self, access_token: str, audiences: Collection[Audience]) -> Grant | None:
        """The grant that an access token names, good or not; None when it is gone.

        Raises:
            BadToken: It is no access token of ours, or has expired.
        """
        claims = tokens.verify(self._keys, access_token, audiences, self._clock())
        return await self._calls.run(self._store.find, claims.grant)

    async def verify(self, access_token: str, audiences: Collection[Audience]) -> Claims:
        """What an access token says, if it is good and its grant is.

        Raises:
            BadToken: It is not.
        """
        claims = tokens.verify(self._keys, access_token, audiences, self._clock())
        if self._good.get(claims.grant) is None:
            grant = await self._calls.run(self._store.find, claims.grant)
            if grant is None or grant.revoked is not None:
                raise BadToken("This sign-in has been ended. Sign in again.")
            self._good.put(claims.grant, grant)
            if self._now() - grant.used > USED_EVERY:
                await self._calls.run(self._store.touch, grant.id, self._now())
        return claims

    async def revoke(self, grant_id: str) -> None:
        """End a grant: its tokens stop working at once."""
        self._forget([grant_id])
        await self._calls.run(self._store.revoke, grant_id, self._now())
        self._forget([grant_id])  # a verification may have looked it up meanwhile

    async def revoke_user(self, user: str) -> None:
        """End all grants of a user."""
        self._forget(await self._calls.run(self._store.revoke_user, user, self._now()))

    async def of_user(self, user: str) -> list[Grant]:
        """The good grants of a user, the one used last first; promised ones are none yet."""
        grants = await self._calls.run(self._store.of_user, user, self._now())
        return [grant for grant in grants if grant.expires - grant.created > CODE_LIFETIME]

    def close(self) -> None:
        """Wait for running calls, then close the database."""
        self._calls.close()
        self._store.close()

    def _grant(
        self,
        grant_id: str,
        refresh_hash: str,
        lifetime: timedelta,
        user: str,
        client: str,
        mode: Mode,
        audience: Audience,
        client_id: str,
    ) -> Grant:
        now = self._now()
        return Grant(
            id=grant_id,
            user=user,
            client=client,
            client_id=client_id,
            audience=audience.value,
            mode=mode.value,
            refresh_hash=refresh_hash,
            created=now,
            used=now,
            expires=now + lifetime,
        )

    async def _exchange(self, given: str, hashed: Callable[[str], str], client_id: str) -> TokenPair:
        """New tokens for a refresh token or ticket, which works once."""
        grant = await self.grant_of(given)
        if grant is None or grant.client_id != client_id or not grant.is_good(self._now()):
            raise BadToken("The refresh token is unknown or no longer valid. Sign in again.")
        now, new = self._now(), _new_refresh_token(grant.id)
        expires = now + REFRESH_LIFETIME
        if not await self._calls.run(self._store.rotate, grant.id, hashed(given), _hash(new), now, expires):
            await self.revoke(grant.id)
            log.warning("A used token of %s (%s) came again: that sign-in is ended", grant.user, grant.client)
            raise Reused("The refresh token was used before, so this sign-in has been ended. Sign in again.")
        return self._pair(grant, new)

    def _pair(self, grant: Grant, refresh_token: str) -> TokenPair:
        access = tokens.sign(
            self._keys,
            grant.user,
            grant.id,
            Mode(grant.mode),
            grant.client,
            Audience(grant.audience),
            self._clock(),
        )
        return TokenPair(access, refresh_token, tokens.LIFETIME, grant)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _forget(self, grant_ids: Collection[str]) -> None:
        for grant_id in grant_ids:
            self._good.drop(grant_id)


def _new_refresh_token(grant_id: str) -> str:
    return f"{grant_id}.{secrets.token_urlsafe(32)}"


def _ticket_hash(ticket: str) -> str:
    """Hash of a ticket: another than that of a refresh token, so that neither passes for the other."""
    return _hash(f"ticket {ticket}")


def _hash(token: str) -> str:
    """Hash of a refresh token: it is random and long, so a plain SHA-256 keeps it secret."""
    return hashlib.sha256(token.encode()).hexdigest()
