"""Sign-ins: refresh tokens rotate, a copy ends them, and the table stays bounded."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2m_spawner.gateway.grants import REFRESH_LIFETIME, Grants, Reused, TokenPair
from p2m_spawner.gateway.keys import KeyRing
from p2m_spawner.gateway.store import MOST_GRANTS, GrantStore
from p2m_spawner.gateway.store_calls import StoreAway
from p2m_spawner.gateway.tokens import LIFETIME, Audience, BadToken, Mode
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.sqlite"


@pytest.fixture
def grants(path: Path, tmp_path: Path, clock: Clock) -> Iterator[Grants]:
    made = Grants(GrantStore(f"sqlite:///{path}"), KeyRing(tmp_path / "keys.json", clock), clock)
    yield made
    made.close()


async def issue(grants: Grants, user: str = "ada", client_id: str = "") -> TokenPair:
    return await grants.issue(user, client="test", mode=Mode.FULL, audience=Audience.REST, client_id=client_id)


async def is_good(grants: Grants, pair: TokenPair) -> bool:
    try:
        await grants.verify(pair.access_token, [Audience.REST])
    except BadToken:
        return False
    return True


async def test_a_refresh_gives_new_tokens_of_the_same_sign_in(grants: Grants, clock: Clock) -> None:
    first = await issue(grants)
    clock.now += LIFETIME + 1
    assert not await is_good(grants, first)
    second = await grants.refresh(first.refresh_token)
    assert await is_good(grants, second)
    assert second.grant.id == first.grant.id
    assert second.refresh_token != first.refresh_token


async def test_a_refresh_token_that_comes_twice_ends_the_sign_in(grants: Grants) -> None:
    first = await issue(grants)
    other = await issue(grants)
    second = await grants.refresh(first.refresh_token)
    with pytest.raises(Reused):
        await grants.refresh(first.refresh_token)
    assert not await is_good(grants, second)
    with pytest.raises(BadToken):
        await grants.refresh(second.refresh_token)
    assert await is_good(grants, other), "another sign-in of the same user"


async def test_of_refreshes_at_the_same_time_one_wins(grants: Grants) -> None:
    first = await issue(grants)
    outcomes = await asyncio.gather(*(grants.refresh(first.refresh_token) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(outcome, TokenPair) for outcome in outcomes) == 1
    assert all(isinstance(outcome, TokenPair | BadToken) for outcome in outcomes)


@pytest.mark.parametrize("token", ["", ".", "x", "x.y", "x" * 10_000, "\ud800.\ud800", "é.é", "\x00.x"])
async def test_odd_refresh_tokens_are_refused(grants: Grants, token: str) -> None:
    with pytest.raises(BadToken):
        await grants.refresh(token)


async def test_a_refresh_token_is_good_for_its_own_client_only(grants: Grants) -> None:
    pair = await issue(grants, client_id="https://client.example/id")
    with pytest.raises(BadToken):
        await grants.refresh(pair.refresh_token)
    assert await is_good(grants, await grants.refresh(pair.refresh_token, "https://client.example/id"))


async def test_an_unused_sign_in_ends(grants: Grants, clock: Clock) -> None:
    pair = await issue(grants)
    clock.now += REFRESH_LIFETIME.total_seconds() + 1
    with pytest.raises(BadToken):
        await grants.refresh(pair.refresh_token)


async def test_revoking_works_at_once_although_it_was_good_just_now(grants: Grants) -> None:
    pair = await issue(grants)
    assert await is_good(grants, pair)
    await grants.revoke(pair.grant.id)
    assert not await is_good(grants, pair)


async def test_revoking_a_user_ends_all_of_theirs_and_no_others(grants: Grants) -> None:
    ada, ada2, bob = await issue(grants), await issue(grants), await issue(grants, "bob")
    assert {grant.id for grant in await grants.of_user("ada")} == {ada.grant.id, ada2.grant.id}
    await grants.revoke_user("ada")
    assert [await is_good(grants, pair) for pair in (ada, ada2, bob)] == [False, False, True]
    assert await grants.of_user("ada") == []


async def test_sign_ins_survive_a_restart(grants: Grants, path: Path, tmp_path: Path, clock: Clock) -> None:
    pair = await issue(grants)
    again = Grants(GrantStore(f"sqlite:///{path}"), KeyRing(tmp_path / "keys.json", clock), clock)
    assert await is_good(again, pair)
    assert await is_good(again, await again.refresh(pair.refresh_token))
    again.close()


async def test_the_database_is_private_and_has_no_token(grants: Grants, path: Path) -> None:
    pair = await issue(grants)
    assert path.stat().st_mode & 0o777 == 0o600
    secret = pair.refresh_token.split(".")[1].encode()
    assert not any(secret in file.read_bytes() for file in path.parent.iterdir() if file.name.startswith("gateway"))


async def test_the_table_stays_bounded(grants: Grants, path: Path, clock: Clock) -> None:
    first = await issue(grants)
    for _ in range(MOST_GRANTS + 5):
        clock.now += 1
        last = await issue(grants)
    assert len(await grants.of_user("ada")) == MOST_GRANTS
    assert not await is_good(grants, first), "the one not used for longest has gone"
    assert await is_good(grants, last)
    clock.now += REFRESH_LIFETIME.total_seconds() + 1
    await issue(grants)
    with sqlite3.connect(path) as database:
        assert database.execute("select count(*) from p2m_grants").fetchone() == (1,)


async def test_a_database_that_is_away_is_no_bad_token(tmp_path: Path, clock: Clock) -> None:
    store = GrantStore(f"sqlite:///{tmp_path}/missing/gateway.sqlite")
    grants = Grants(store, KeyRing(tmp_path / "keys.json", clock), clock)
    with pytest.raises(StoreAway):
        await issue(grants)
    grants.close()
