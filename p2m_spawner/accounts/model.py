"""The table of accounts, in any database that SQLAlchemy opens. Blocking: `service` calls it from threads."""

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import String, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from p2m_spawner.accounts.errors import NameTaken, UnknownAccount
from p2m_spawner.database import Store, Time
from p2m_spawner.schema import ACCOUNTS


class State(StrEnum):
    """Whether an account may sign in."""

    ACTIVE = "active"
    AWAITING = "awaiting approval"


class Base(DeclarativeBase):
    """SQLAlchemy's registry of our tables."""


class Account(Base):
    """One person's account.

    `password_hash` is None for somebody whom an administrator added and who has no password yet, and for somebody whom
    an administrator deleted: nobody can sign in with such an account and nobody can sign up with its name.
    """

    __tablename__ = "p2m_accounts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(32), index=True)
    password_hash: Mapped[str | None] = mapped_column(String(512))
    temporary: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(Time)

    @property
    def is_awaiting(self) -> bool:
        """Whether an administrator still has to approve it."""
        return self.state == State.AWAITING


class AccountStore(Store):
    """Reads and writes accounts. Every method is one transaction and may raise sqlalchemy.exc.SQLAlchemyError.

    Args:
        url: See `p2m_spawner.database.Store`.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, ACCOUNTS)

    def find(self, name: str) -> Account | None:
        """The account of a normalised name, or None."""
        with self._session() as session:
            return session.get(Account, name)

    def add(self, name: str, password_hash: str | None, state: State, temporary: bool = False) -> Account:
        """A new account.

        Raises:
            NameTaken: the name has an account.
        """
        account = Account(
            name=name, state=state.value, password_hash=password_hash, temporary=temporary, created=datetime.now(UTC)
        )
        try:
            with self._session() as session, session.begin():
                session.add(account)
        except IntegrityError as error:
            raise NameTaken from error
        return account

    def set_password(self, name: str, password_hash: str | None, *, temporary: bool = False) -> None:
        """Store a new hash, or None: nobody can sign in.

        Raises:
            UnknownAccount: no such account.
        """
        change = update(Account).where(Account.name == name)
        if not self._changes(change.values(password_hash=password_hash, temporary=temporary)):
            raise UnknownAccount

    def replace_hash(self, name: str, old: str | None, new: str) -> bool:
        """Store the hash `new` if the stored one is still `old`; tells whether it was."""
        change = update(Account).where(Account.name == name, Account.password_hash.is_not_distinct_from(old))
        return self._changes(change.values(password_hash=new)) > 0

    def approve(self, name: str) -> None:
        """Let an account sign in.

        Raises:
            UnknownAccount: no such account.
        """
        if not self._changes(update(Account).where(Account.name == name).values(state=State.ACTIVE.value)):
            raise UnknownAccount

    def delete(self, name: str, *, only: State | None = None) -> bool:
        """Delete an account, if it is in the state `only`; tells whether there was one."""
        with self._session() as session, session.begin():
            account = session.get(Account, name)
            if account is None or (only is not None and account.state != only):
                return False
            session.delete(account)
            return True

    def page(self, search: str = "", offset: int = 0, limit: int = 50) -> tuple[list[Account], int]:
        """Some accounts whose name contains `search`, those awaiting approval first, and how many there are in all."""
        wanted = select(Account).where(Account.name.contains(search, autoescape=True))
        order = (Account.state != State.AWAITING.value, Account.name)
        with self._session() as session:
            total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
            return list(session.scalars(wanted.order_by(*order).offset(offset).limit(limit))), total
