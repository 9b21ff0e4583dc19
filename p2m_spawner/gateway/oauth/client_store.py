"""The table of registered clients, beside the grants. Blocking: `clients` calls it from threads."""

from datetime import datetime

from sqlalchemy import JSON, String, delete, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from p2m_spawner.database import Store, Time
from p2m_spawner.schema import GATEWAY

MOST_CLIENTS = 5000
"""Clients that are kept at most: about 3 MB. Anybody may register one, so those that nobody let in go first."""


class Base(DeclarativeBase):
    """SQLAlchemy's registry of the table."""


class RegisteredClient(Base):
    """One client.

    Attributes:
        id: Random.
        name: As shown.
        redirect_uris: Where it may have browsers sent back to.
        secret_hash: SHA-256 of its secret, None for a public client.
        created: When it registered.
        allowed: When somebody last let it in; None: nobody has.
    """

    __tablename__ = "p2m_oauth_clients"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(Time, index=True)
    allowed: Mapped[datetime | None] = mapped_column(Time, index=True)


class ClientStore(Store):
    """Reads and writes clients. Every method is one transaction.

    Args:
        url: See :class:`p2m_spawner.database.Store`.
        most: Clients that are kept at most.
    """

    def __init__(self, url: str, most: int = MOST_CLIENTS) -> None:
        super().__init__(url, GATEWAY)
        self._most = most

    def find(self, client_id: str) -> RegisteredClient | None:
        """The client of an id."""
        with self._session() as session:
            return session.get(RegisteredClient, client_id)

    def add(self, client: RegisteredClient) -> None:
        """Keep a new client; forget the oldest beyond `most`, first those that nobody has let in."""
        with self._session() as session, session.begin():
            dearest = select(RegisteredClient.id).order_by(
                RegisteredClient.allowed.is_(None), RegisteredClient.allowed.desc(), RegisteredClient.created.desc()
            )
            surplus = list(session.scalars(dearest.offset(self._most - 1)))
            if surplus:
                session.execute(delete(RegisteredClient).where(RegisteredClient.id.in_(surplus)))
            session.add(client)

    def allow(self, client_id: str, now: datetime) -> None:
        """Keep that somebody has let a client in."""
        self._changes(update(RegisteredClient).where(RegisteredClient.id == client_id).values(allowed=now))
