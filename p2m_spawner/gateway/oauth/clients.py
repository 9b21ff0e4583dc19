"""OAuth clients: those that have registered, and those whose id is the address of a document about them."""

import hashlib
import hmac
import re
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from p2m_spawner.gateway.oauth.client_store import ClientStore, RegisteredClient
from p2m_spawner.gateway.store_calls import StoreCalls

REGISTERED_ID = re.compile(r"[0-9a-f]{32}")
"""Form of a registered client's id."""

LONGEST_NAME = 64
"""Characters of a client's name that are shown."""


@dataclass(frozen=True)
class Client:
    """Somebody's program.

    Attributes:
        id: Random, or the https address of its document.
        name: As it calls itself, made safe to show.
        redirect_uris: Where it may have browsers sent back to.
        published_by: Host that vouches for it by publishing its document; None: anybody may have registered it.
        secret_hash: SHA-256 of the secret with which it proves itself; None for a public client, which has none.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    published_by: str | None = None
    secret_hash: str | None = None

    def has_secret(self, given: str | None) -> bool:
        """Whether a secret is this client's; a public client has none and must send none."""
        if self.secret_hash is None or given is None:
            return self.secret_hash is None and not given
        return hmac.compare_digest(_hash(given), self.secret_hash)


class Clients:
    """The registered clients. Use from one event loop. Every coroutine may raise `StoreAway` (`store_calls`).

    Args:
        store: Where they are kept.
        clock: Unix seconds.
    """

    def __init__(self, store: ClientStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._calls = StoreCalls(store.url)
        self._clock = clock

    async def register(self, name: str, redirect_uris: tuple[str, ...], *, public: bool) -> tuple[Client, str | None]:
        """Keep a new client.

        Args:
            name: As shown.
            redirect_uris: Checked ones.
            public: Whether it has no secret.

        Returns:
            The client, and its secret if it has one.
        """
        secret = None if public else secrets.token_urlsafe(32)
        client = Client(
            id=secrets.token_hex(16),
            name=name,
            redirect_uris=redirect_uris,
            secret_hash=_hash(secret) if secret else None,
        )
        row = RegisteredClient(
            id=client.id,
            name=name,
            redirect_uris=list(redirect_uris),
            secret_hash=client.secret_hash,
            created=self._now(),
            allowed=None,
        )
        await self._calls.run(self._store.add, row)
        return client, secret

    async def find(self, client_id: str) -> Client | None:
        """A registered client; None when there is none (any more)."""
        if not REGISTERED_ID.fullmatch(client_id):  # anybody can send anything, which not every database takes
            return None
        row = await self._calls.run(self._store.find, client_id)
        if row is None:
            return None
        return Client(row.id, row.name, tuple(row.redirect_uris), secret_hash=row.secret_hash)

    async def allowed(self, client_id: str) -> None:
        """Keep that somebody has let a client in: such clients are forgotten last."""
        await self._calls.run(self._store.allow, client_id, self._now())

    def close(self) -> None:
        """Wait for running calls, then close the database."""
        self._calls.close()
        self._store.close()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def shown_name(name: str | None, otherwise: str) -> str:
    """A client's name as it may be shown and logged: printable, on one line, short.

    Args:
        name: As the client says. Control characters and those that turn the direction of writing are left out.
        otherwise: What it is called without a name.
    """
    kept = "".join(
        " " if character.isspace() else character
        for character in (name or "")[:1000]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join(kept.split())[:LONGEST_NAME].strip() or otherwise[:LONGEST_NAME]


def _hash(secret: str) -> str:
    """Hash of a secret: it is random and long, so a plain SHA-256 keeps it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
