"""Sign-ins and their tokens: made, refreshed, revoked. For the REST API and the OAuth server alike; knows no HTTP.

A refresh token is ``GRANT.SECRET`` and works once. A grant's refresh token that has been used before, or was never
made, means that somebody else has a copy: the whole grant ends (RFC 9700, section 4.14.2).
"""

import asyncio
import functools
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from p2m_spawner.database import is_in_memory
from p2m_spawner.gateway import tokens
from p2m_spawner.gateway.recent import Recent
from p2m_spawner.gateway.store import Grant, GrantStore
from p2m_spawner.gateway.tokens import Audience, BadToken, Claims, Mode

log = logging.getLogger(__name__)

REFRESH_LIFETIME = timedelta(days=30)
"""How long a refresh token lives unused."""

DATABASE_DEADLINE = 10.0
"""Seconds until a database call that has not returned is given up."""

KNOWN_FOR = 30.0
"""Seconds for which a grant that was good is not looked up again. Revoking forgets it at once."""

MOST_KNOWN = 10_000
"""Grants remembered as good."""

REFRESH_TOKEN = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}")
"""Form of a refresh token."""

P = ParamSpec("P")
R = TypeVar("R")


class StoreAway(Exception):
    """The database of grants does not answer; the log says why."""


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
    """All sign-ins of one hub. Use from one event loop. Every coroutine may raise :class:`StoreAway`.

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
        # An in-memory SQLite database is one connection, which threads must not share.
        self._pool = ThreadPoolExecutor(1 if is_in_memory(store.url) else 4, thread_name_prefix="p2m-grants")

    async def issue(self, user: str, *, client: str, mode: Mode, audience: Audience, client_id: str = "") -> TokenPair:
        """Make a grant and its first tokens. See :class:`Grant` for the arguments."""
        now, grant_id = self._now(), secrets.token_hex(16)
        refresh = _new_refresh_token(grant_id)
        grant = Grant(
            id=grant_id,
            user=user,
            client=client,
            client_id=client_id,
            audience=audience.value,
            mode=mode.value,
            refresh_hash=_hash(refresh),
            created=now,
            used=now,
            expires=now + REFRESH_LIFETIME,
        )
        self._forget(await self._database(self._store.add, grant))
        return self._pair(grant, refresh)

    async def refresh(self, refresh_token: str, client_id: str = "") -> TokenPair:
        """Exchange a refresh token for new tokens; the old one stops working.

        Args:
            refresh_token: As received.
            client_id: The OAuth client that sends it; a token of another client is refused.

        Raises:
            Reused: It was used before; the grant has been ended.
            BadToken: It is unknown, expired, revoked or another client's.
        """
        grant = await self.grant_of(refresh_token)
        if grant is None or grant.client_id != client_id or not grant.is_good(self._now()):
            raise BadToken("The refresh token is unknown or no longer valid. Sign in again.")
        now, new = self._now(), _new_refresh_token(grant.id)
        rotated = await self._database(
            self._store.rotate, grant.id, _hash(refresh_token), _hash(new), now, now + REFRESH_LIFETIME
        )
        if not rotated:
            await self.revoke(grant.id)
            log.warning("A used refresh token of %s (%s) came again: that sign-in is ended", grant.user, grant.client)
            raise Reused("The refresh token was used before, so this sign-in has been ended. Sign in again.")
        return self._pair(grant, new)

    async def grant_of(self, refresh_token: str) -> Grant | None:
        """The grant that a refresh token names, good or not, used or not; None for an unknown one."""
        if not REFRESH_TOKEN.fullmatch(refresh_token):
            return None
        return await self._database(self._store.find, refresh_token.partition(".")[0])

    async def verify(self, access_token: str, audiences: Collection[Audience]) -> Claims:
        """What an access token says, if it is good and its grant is.

        Raises:
            BadToken: It is not.
        """
        claims = tokens.verify(self._keys, access_token, audiences, self._clock())
        if self._good.get(claims.grant) is None:
            grant = await self._database(self._store.find, claims.grant)
            if grant is None or grant.revoked is not None:
                raise BadToken("This sign-in has been ended. Sign in again.")
            self._good.put(claims.grant, grant)
        return claims

    async def revoke(self, grant_id: str) -> None:
        """End a grant: its tokens stop working at once."""
        self._forget([grant_id])
        await self._database(self._store.revoke, grant_id, self._now())
        self._forget([grant_id])  # a verification may have looked it up meanwhile

    async def revoke_user(self, user: str) -> None:
        """End all grants of a user."""
        self._forget(await self._database(self._store.revoke_user, user, self._now()))

    async def of_user(self, user: str) -> list[Grant]:
        """The good grants of a user, the one used last first."""
        return await self._database(self._store.of_user, user, self._now())

    def close(self) -> None:
        """Wait for running calls, then close the database."""
        self._pool.shutdown()
        self._store.close()

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

    async def _database(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        work = asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(call, *args, **kwargs))
        try:
            return await asyncio.wait_for(work, DATABASE_DEADLINE)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.exception("The gateway's database %r does not answer", self._store.url)
            raise StoreAway from error


def _new_refresh_token(grant_id: str) -> str:
    return f"{grant_id}.{secrets.token_urlsafe(32)}"


def _hash(token: str) -> str:
    """Hash of a refresh token: it is random and long, so a plain SHA-256 keeps it secret."""
    return hashlib.sha256(token.encode()).hexdigest()
