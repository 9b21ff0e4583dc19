"""The table of grants, in any database that SQLAlchemy opens. Blocking: `grants` calls it from threads.

A grant is one sign-in of one client: a login by the REST API, or an OAuth authorization. It has one refresh token at a
time, of which only a hash is kept. Access tokens are not kept: each names its grant.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, delete, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from p2m_spawner.database import Store, Time
from p2m_spawner.schema import GATEWAY

MOST_GRANTS = 100
"""Grants that one user has at most; a new one ends the oldest, so that the table stays bounded."""

KEEP_REVOKED = timedelta(hours=2)
"""How long a revoked grant is kept, so that its last access tokens meet a revoked grant and not an unknown one."""


class Base(DeclarativeBase):
    """SQLAlchemy's registry of the gateway's tables."""


class Grant(Base):
    """One sign-in of one client.

    Attributes:
        id: Random; access tokens name it as ``sid``, refresh tokens begin with it.
        user: Name of the user.
        client: Who got it, for people.
        client_id: OAuth client id; empty for the REST API.
        audience: What its access tokens open.
        mode: What they allow.
        refresh_hash: SHA-256 of the refresh token that is valid now.
        created: When it was made.
        used: When it was last used, within some minutes.
        expires: When its refresh token ends, unless it is used before.
        revoked: When it was ended, None while it is good.
    """

    __tablename__ = "p2m_grants"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(String(255), index=True)
    client: Mapped[str] = mapped_column(String(255))
    client_id: Mapped[str] = mapped_column(String(2048))
    audience: Mapped[str] = mapped_column(String(32))
    mode: Mapped[str] = mapped_column(String(32))
    refresh_hash: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime] = mapped_column(Time)
    used: Mapped[datetime] = mapped_column(Time)
    expires: Mapped[datetime] = mapped_column(Time, index=True)
    revoked: Mapped[datetime | None] = mapped_column(Time)

    def is_good(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and now < self.expires


class GrantStore(Store):
    """Reads and writes grants. Every method is one transaction.

    Args:
        url: See :class:`p2m_spawner.database.Store`.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, GATEWAY)

    def find(self, grant_id: str) -> Grant | None:
        """The grant of an id, good or not; None when there is none."""
        with self._session() as session:
            return session.get(Grant, grant_id)

    def add(self, grant: Grant) -> list[str]:
        """Keep a new grant; forget what has expired, and end the user's oldest beyond `MOST_GRANTS`.

        Returns:
            Ids of the grants that it has ended.
        """
        with self._session() as session, session.begin():
            gone = (Grant.expires < grant.created) | (Grant.revoked < grant.created - KEEP_REVOKED)
            session.execute(delete(Grant).where(Grant.id.in_(_not_held(session, gone))))
            newest = (
                select(Grant.id)
                .where(Grant.user == grant.user, Grant.revoked.is_(None))
                .order_by(Grant.used.desc(), Grant.id)
            )
            oldest = session.scalars(newest.offset(MOST_GRANTS - 1)).all()
            surplus = _not_held(session, Grant.id.in_(oldest) & Grant.revoked.is_(None))
            session.execute(update(Grant).where(Grant.id.in_(surplus)).values(revoked=grant.created))
            session.add(grant)
        return surplus

    def rotate(self, grant_id: str, old_hash: str, new_hash: str, now: datetime, expires: datetime) -> bool:
        """Replace the refresh token of a good grant if it is still `old_hash`; tells whether it was."""
        change = update(Grant).where(
            Grant.id == grant_id, Grant.refresh_hash == old_hash, Grant.revoked.is_(None), Grant.expires > now
        )
        return self._changes(change.values(refresh_hash=new_hash, used=now, expires=expires)) > 0

    def touch(self, grant_id: str, now: datetime) -> None:
        """Keep that a grant has been used."""
        self._changes(update(Grant).where(Grant.id == grant_id).values(used=now))

    def revoke(self, grant_id: str, now: datetime) -> bool:
        """End a grant; tells whether it was not ended yet."""
        change = update(Grant).where(Grant.id == grant_id, Grant.revoked.is_(None))
        return self._changes(change.values(revoked=now)) > 0

    def revoke_user(self, user: str, now: datetime) -> list[str]:
        """End all grants of a user; returns their ids."""
        with self._session() as session, session.begin():
            ids = list(session.scalars(select(Grant.id).where(Grant.user == user, Grant.revoked.is_(None))))
            session.execute(update(Grant).where(Grant.id.in_(ids)).values(revoked=now))
        return ids

    def of_user(self, user: str, now: datetime) -> list[Grant]:
        """The good grants of a user, the one used last first."""
        with self._session() as session:
            good = select(Grant).where(Grant.user == user, Grant.revoked.is_(None), Grant.expires > now)
            return list(session.scalars(good.order_by(Grant.used.desc())))


def _not_held(session: Session, which: ColumnElement[bool]) -> list[str]:
    """Ids of some grants, now held by this transaction; without those that another process changes at this moment.

    Two that wait for each other's rows would be a deadlock. Whoever holds a row does the same with it, or uses it.
    """
    return list(session.scalars(select(Grant.id).where(which).with_for_update(skip_locked=True)))
