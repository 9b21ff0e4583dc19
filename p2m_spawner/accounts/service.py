"""What can be done with accounts, apart from any page: the handlers, the authenticator and a JSON API call this.

Blocking work has two doors: hashes go through a pool of two threads (each hash takes 64 MiB), the database through
another. Both have a bound on how long a caller waits.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from p2m_spawner.accounts import names, passwords
from p2m_spawner.accounts.errors import (
    AccountProblem,
    AwaitingApproval,
    NameTaken,
    SignupClosed,
    Throttled,
    Unavailable,
    UnknownAccount,
    WrongCredentials,
)
from p2m_spawner.accounts.model import Account, AccountStore, State
from p2m_spawner.accounts.throttle import LeakyBuckets, SignInGate, address_key
from p2m_spawner.database import is_in_memory

HASH_THREADS = 2
HASH_QUEUE = 100
"""Hashes that may wait for a thread; more than that is answered with `Unavailable` at once."""
DATABASE_DEADLINE = 10.0
"""Seconds until a database call that has not returned is answered with `Unavailable`."""
SIGNUP_PERIOD = 3600.0
"""Seconds in which one address may make `Rules.signups_per_hour` accounts."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Rules:
    """What an administrator decides about accounts.

    Attributes:
        signup: 'open', 'approval' or 'closed'.
        minimum_password: characters.
        reserved: normalised names that nobody can sign up with, beside `names.RESERVED`.
        initial_passwords: name → password that the account gets while it has none.
        tries_per_name: failed sign-ins per `period` for one name from one address.
        tries_per_address: failed sign-ins per `period` from one address.
        period: seconds.
        signups_per_hour: sign-ups from one address.
        cost: of one password hash.
    """

    signup: str = "open"
    minimum_password: int = 8
    reserved: Collection[str] = ()
    initial_passwords: Mapping[str, str] = field(default_factory=dict)
    tries_per_name: int = 5
    tries_per_address: int = 30
    period: float = 300.0
    signups_per_hour: int = 100
    cost: passwords.Cost = field(default_factory=passwords.Cost)


class Accounts:
    """The accounts of one hub. Use from one event loop.

    Every method may raise Unavailable when the database does not answer or too many hashes wait.

    Args:
        store: where accounts are kept.
        rules: what the administrator decided.
        clock: monotonic seconds, for the throttle.
        log: where problems of the database are reported.
    """

    def __init__(
        self,
        store: AccountStore,
        rules: Rules,
        clock: Callable[[], float] = time.monotonic,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger] | None = None,
    ) -> None:
        self.rules = rules
        self._store = store
        self._log = log or logging.getLogger(__name__)
        self._hasher = passwords.Hasher(rules.cost)
        self._gate = SignInGate(rules.tries_per_name, rules.tries_per_address, rules.period, clock)
        self._signups: LeakyBuckets[str] = LeakyBuckets(rules.signups_per_hour, SIGNUP_PERIOD, clock)
        self._reserved = names.RESERVED | frozenset(map(names.normalise, rules.reserved))
        self._hash_pool = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="p2m-hash")
        self._hash_pool.submit(self._hasher.prepare)
        self._hashes_waiting = 0
        # An in-memory SQLite database is one connection, which threads must not share.
        self._database_pool = ThreadPoolExecutor(1 if is_in_memory(store.url) else 4, thread_name_prefix="p2m-accounts")

    async def sign_up(
        self, raw_name: str, password: str, address: str, in_hub: Callable[[str], bool] = lambda name: False
    ) -> Account:
        """Make an account.

        Args:
            raw_name: as typed.
            password: as typed.
            address: IP address of the client.
            in_hub: tells whether the hub knows a user of that name, whose account this must not become.

        Raises:
            SignupClosed, BadName, WeakPassword, NameTaken: see their sentences.
            Throttled: too many sign-ups from this address.
        """
        if self.rules.signup == "closed":
            raise SignupClosed
        name = names.validate(raw_name, self._reserved)
        passwords.check(password, name, self.rules.minimum_password)
        where = address_key(address)
        if wait := self._signups.wait(where):
            raise Throttled(wait)
        self._signups.add(where)
        if in_hub(name) or await self.find(name):
            raise NameTaken
        hashed = await self._hash(self._hasher.hash, password)
        state = State.ACTIVE if self.rules.signup == "open" else State.AWAITING
        account = await self._database(self._store.add, name, hashed, state)
        self._log.info("New account %s (%s)", name, account.state)
        return account

    async def sign_in(self, raw_name: str, password: str, address: str) -> Account:
        """The account that name and password belong to. Takes the same time for names that do not exist.

        Raises:
            WrongCredentials: no such name, or not its password.
            AwaitingApproval: the right password of an account that is not approved yet.
            Throttled: too many failed tries.
        """
        name = names.normalise(raw_name[: names.MAX_LENGTH + 1])
        self._gate.enter(name, address)
        account = await self.find(name) if names.is_valid(name) else None
        stored = account.password_hash if account else None
        if passwords.is_too_long(password) or not await self._hash(self._hasher.verify, stored, password):
            raise WrongCredentials
        assert account is not None and stored is not None  # noqa: S101 - for the type checker: verify() said so
        self._gate.succeeded(name, address)
        if self._hasher.is_outdated(stored):
            await self._database(self._store.replace_hash, name, stored, await self._hash(self._hasher.hash, password))
        if account.is_awaiting:
            raise AwaitingApproval
        return account

    async def change_password(self, name: str, old: str, new: str, address: str) -> None:
        """Replace somebody's password by one of their choice.

        Raises:
            WrongCredentials: `old` is not the password.
            WeakPassword: `new` is not acceptable.
            Throttled: too many tries with a wrong old password.
        """
        passwords.check(new, name, self.rules.minimum_password)
        await self.sign_in(name, old, address)
        await self._database(self._store.set_password, name, await self._hash(self._hasher.hash, new))
        self._log.info("%s changed their password", name)

    async def reset_password(self, name: str) -> str:
        """Give an account a temporary password, and return it.

        Raises:
            UnknownAccount: no such account.
        """
        password = passwords.temporary()
        hashed = await self._hash(self._hasher.hash, password)
        await self._database(functools.partial(self._store.set_password, name, hashed, temporary=True))
        self._gate.forget(name)
        return password

    async def ensure(self, name: str) -> None:
        """Make sure that a user of the hub has an account, so that nobody else can sign up with their name.

        The account has no password, or the one in `Rules.initial_passwords`; a password it already has is kept.
        """
        initial = self.rules.initial_passwords.get(name)
        account = await self.find(name)
        if account and (initial is None or account.password_hash is not None):
            return
        hashed = await self._hash(self._hasher.hash, initial) if initial else None
        if account is None:
            try:
                await self._database(self._store.add, name, hashed, State.ACTIVE)
            except NameTaken:
                self._log.info("The account %s was made by somebody else at the same time", name)
        elif hashed:
            await self._database(self._store.replace_hash, name, None, hashed)

    async def find(self, name: str) -> Account | None:
        """The account of a normalised name, or None."""
        return await self._database(self._store.find, name)

    async def approve(self, name: str) -> None:
        """Let an account sign in.

        Raises:
            UnknownAccount: no such account.
        """
        await self._database(self._store.approve, name)

    async def reject(self, name: str) -> bool:
        """Delete an account that awaits approval; tells whether there was one. Its name is free again."""
        return await self._database(functools.partial(self._store.delete, name, only=State.AWAITING))

    async def retire(self, name: str) -> None:
        """Take an account's password away: nobody can sign in with it.

        The name stays taken, because the person's home still bears it: whoever signed up with it would get their files.
        """
        with contextlib.suppress(UnknownAccount):
            await self._database(self._store.set_password, name, None)

    async def page(self, search: str, offset: int, limit: int) -> tuple[list[Account], int]:
        """Some accounts and how many there are: see `AccountStore.page`."""
        return await self._database(self._store.page, search, offset, limit)

    async def _database(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        work = asyncio.get_running_loop().run_in_executor(self._database_pool, functools.partial(call, *args, **kwargs))
        try:
            return await asyncio.wait_for(work, DATABASE_DEADLINE)
        except AccountProblem:
            raise
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            self._log.exception("The accounts database %r does not answer", self._store.url)
            raise Unavailable from error

    async def _hash(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._hashes_waiting >= HASH_QUEUE:
            self._log.error("%d password hashes are waiting: refusing more", self._hashes_waiting)
            raise Unavailable
        self._hashes_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._hash_pool, functools.partial(call, *args, **kwargs)
            )
        finally:
            self._hashes_waiting -= 1
