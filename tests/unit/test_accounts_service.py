"""Accounts and their table, on several kinds of SQLite database; the pages are tested on the real hub."""

import asyncio
import logging
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import ArgumentError

from p2m_spawner.accounts import errors, passwords, service
from p2m_spawner.accounts.model import AccountStore, State
from p2m_spawner.accounts.service import Accounts, Rules

CHEAP = passwords.Cost(memory=8, passes=1, lanes=1)
GOOD = "correct horse battery"
HERE = "10.0.0.1"


@pytest.fixture(
    params=["sqlite://", "sqlite:///:memory:", "sqlite:///{}/a.sqlite", "sqlite+pysqlite:///{}/b.db?timeout=9"]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AccountStore]:
    opened = AccountStore(request.param.format(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def accounts(store: AccountStore) -> Accounts:
    return Accounts(store, Rules(cost=CHEAP))


# the table


def test_an_account_is_kept_as_it_was_added(store: AccountStore) -> None:
    store.add("ada", "hash", State.AWAITING)
    account = store.find("ada")
    assert account is not None
    assert (account.password_hash, account.is_awaiting, account.temporary) == ("hash", True, False)
    assert store.find("grace") is None


def test_a_name_can_be_added_once(store: AccountStore) -> None:
    store.add("ada", "hash", State.ACTIVE)
    with pytest.raises(errors.NameTaken):
        store.add("ada", "other", State.ACTIVE)
    assert store.find("ada").password_hash == "hash"


def test_a_hash_is_replaced_only_if_nobody_else_did(store: AccountStore) -> None:
    store.add("ada", None, State.ACTIVE)
    assert store.replace_hash("ada", None, "first")
    assert not store.replace_hash("ada", None, "second")
    assert store.replace_hash("ada", "first", "third")
    assert store.find("ada").password_hash == "third"


def test_changes_of_accounts_that_are_gone_are_reported(store: AccountStore) -> None:
    with pytest.raises(errors.UnknownAccount):
        store.approve("ada")
    with pytest.raises(errors.UnknownAccount):
        store.set_password("ada", "hash")
    assert not store.delete("ada")


def test_pages_show_awaiting_accounts_first_and_search_literally(store: AccountStore) -> None:
    for name in ("c", "a_x", "abx"):
        store.add(name, "hash", State.ACTIVE)
    store.add("z", "hash", State.AWAITING)
    assert [account.name for account in store.page()[0]] == ["z", "a_x", "abx", "c"]
    assert ([account.name for account in store.page(offset=1, limit=2)[0]], store.page()[1]) == (["a_x", "abx"], 4)
    assert [account.name for account in store.page("a_x")[0]] == ["a_x"]
    assert store.page("%") == ([], 0)


def test_accounts_outlive_the_process_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    path.touch(0o644)
    url = f"sqlite:///{path}"
    AccountStore(url).add("ada", "hash", State.ACTIVE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AccountStore(url).find("ada") is not None


def test_a_url_that_means_nothing_is_refused_at_once() -> None:
    with pytest.raises(ArgumentError):
        AccountStore("not a url")


# sign-up


async def test_sign_up_then_sign_in(accounts: Accounts) -> None:
    assert (await accounts.sign_up("Ada", GOOD, HERE)).name == "ada"
    assert (await accounts.sign_in("ADA", GOOD, HERE)).name == "ada"


async def test_of_two_sign_ups_at_the_same_time_one_gets_the_name(accounts: Accounts) -> None:
    results = await asyncio.gather(
        *(accounts.sign_up(name, f"{GOOD} {name}", HERE) for name in ("ada", "Ada", "ADA", " ada ")),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Account", "NameTaken", "NameTaken", "NameTaken"]


async def test_a_user_of_the_hub_is_not_for_others_to_sign_up(accounts: Accounts) -> None:
    with pytest.raises(errors.NameTaken):
        await accounts.sign_up("grace", GOOD, HERE, in_hub=lambda name: name == "grace")


async def test_refused_sign_ups_do_not_use_up_the_limit(store: AccountStore) -> None:
    accounts = Accounts(store, Rules(cost=CHEAP, signups_per_hour=1))
    for _ in range(5):
        with pytest.raises(errors.WeakPassword):
            await accounts.sign_up("ada", "short", HERE)
    await accounts.sign_up("ada", GOOD, HERE)
    with pytest.raises(errors.Throttled):
        await accounts.sign_up("grace", GOOD, HERE)
    await accounts.sign_up("grace", GOOD, "10.0.0.2")


# sign-in


async def test_wrong_names_and_passwords_are_one_problem(accounts: Accounts) -> None:
    await accounts.sign_up("ada", GOOD, HERE)
    await accounts.ensure("grace")
    for name, password in [
        ("ada", "wrong"),
        ("nobody", GOOD),
        ("grace", ""),
        ("../x", GOOD),
        ("", ""),
        ("ada" * 50, GOOD),
    ]:
        with pytest.raises(errors.WrongCredentials):
            await accounts.sign_in(name, password, HERE + name[:1])


@pytest.mark.parametrize("name", ["ada", "nobody", "\ud800", "\x00"])
async def test_too_long_passwords_are_never_hashed(
    accounts: Accounts, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts._hasher, "verify", lambda *_: pytest.fail("hashed"))
    with pytest.raises(errors.WrongCredentials):
        await accounts.sign_in(name, "x" * 1_000_000, HERE)


async def test_parallel_guesses_cannot_slip_through_the_throttle(store: AccountStore) -> None:
    accounts = Accounts(store, Rules(cost=CHEAP, tries_per_name=3))
    results = await asyncio.gather(*(accounts.sign_in("ada", "x", HERE) for _ in range(20)), return_exceptions=True)
    assert [type(result).__name__ for result in results].count("WrongCredentials") == 3


async def test_a_hash_is_renewed_when_its_cost_changed(store: AccountStore) -> None:
    await Accounts(store, Rules(cost=CHEAP)).sign_up("ada", GOOD, HERE)
    old = store.find("ada").password_hash
    dearer = Accounts(store, Rules(cost=passwords.Cost(memory=16, passes=1, lanes=1)))
    await dearer.sign_in("ada", GOOD, HERE)
    assert store.find("ada").password_hash != old
    await dearer.sign_in("ada", GOOD, HERE)


async def test_hashing_does_not_hold_up_the_event_loop(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(accounts._hasher, "verify", lambda *_: not release.wait(10))
    waiting = asyncio.create_task(accounts.sign_in("ada", "x", HERE))
    await accounts.find("ada")
    assert not waiting.done(), "the loop and the database go on while a hash is being checked"
    release.set()
    with pytest.raises(errors.WrongCredentials):
        await waiting


async def test_too_many_waiting_hashes_are_refused_at_once(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "HASH_QUEUE", 0)
    with pytest.raises(errors.Unavailable):
        await accounts.sign_in("ada", "x", HERE)


# administration


async def test_approval(store: AccountStore) -> None:
    accounts = Accounts(store, Rules(cost=CHEAP, signup="approval"))
    await accounts.sign_up("ada", GOOD, HERE)
    with pytest.raises(errors.WrongCredentials):
        await accounts.sign_in("ada", "wrong", HERE)
    with pytest.raises(errors.AwaitingApproval):
        await accounts.sign_in("ada", GOOD, HERE)
    await accounts.approve("ada")
    assert not await accounts.reject("ada")
    await accounts.sign_in("ada", GOOD, HERE)


async def test_closed(store: AccountStore) -> None:
    with pytest.raises(errors.SignupClosed):
        await Accounts(store, Rules(cost=CHEAP, signup="closed")).sign_up("ada", GOOD, HERE)


async def test_a_temporary_password_replaces_the_old_one_until_it_is_changed(accounts: Accounts) -> None:
    await accounts.sign_up("ada", GOOD, HERE)
    temporary = await accounts.reset_password("ada")
    with pytest.raises(errors.WrongCredentials):
        await accounts.sign_in("ada", GOOD, HERE)
    assert (await accounts.sign_in("ada", temporary, HERE)).temporary
    await accounts.change_password("ada", temporary, "another horse", HERE)
    assert not (await accounts.sign_in("ada", "another horse", HERE)).temporary


async def test_the_initial_password_is_given_once(store: AccountStore) -> None:
    accounts = Accounts(store, Rules(cost=CHEAP, initial_passwords={"boss": "first"}))
    await accounts.ensure("boss")
    await accounts.sign_in("boss", "first", HERE)
    await accounts.change_password("boss", "first", "chosen by the boss", HERE)
    await accounts.ensure("boss")
    await accounts.sign_in("boss", "chosen by the boss", HERE)


async def test_the_initial_password_reaches_an_account_that_had_none(store: AccountStore) -> None:
    await Accounts(store, Rules(cost=CHEAP)).ensure("boss")
    accounts = Accounts(store, Rules(cost=CHEAP, initial_passwords={"boss": "first"}))
    await accounts.ensure("boss")
    await accounts.sign_in("boss", "first", HERE)


async def test_a_retired_account_cannot_sign_in_and_its_name_stays_taken(accounts: Accounts) -> None:
    await accounts.sign_up("ada", GOOD, HERE)
    await accounts.retire("ada")
    await accounts.retire("nobody")
    with pytest.raises(errors.WrongCredentials):
        await accounts.sign_in("ada", GOOD, HERE)
    with pytest.raises(errors.NameTaken):
        await accounts.sign_up("ada", GOOD, HERE)


# a database that fails


async def test_a_database_that_cannot_be_opened_is_said_and_logged(tmp_path: Path, caplog: Any) -> None:
    accounts = Accounts(AccountStore(f"sqlite:///{tmp_path}/missing/a.sqlite"), Rules(cost=CHEAP))
    with caplog.at_level(logging.ERROR), pytest.raises(errors.Unavailable):
        await accounts.find("ada")
    assert "does not answer" in caplog.text
    (tmp_path / "missing").mkdir()
    assert await accounts.find("ada") is None, "it recovers without a restart"


async def test_a_database_that_hangs_is_given_up_after_the_deadline(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(service, "DATABASE_DEADLINE", 0.05)
    monkeypatch.setattr(accounts._store, "find", lambda name: release.wait(10))
    with pytest.raises(errors.Unavailable):
        await accounts.find("ada")
    release.set()
