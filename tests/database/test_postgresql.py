"""Accounts and gateway on a real PostgreSQL server: times, texts, races, upgrades, a server that goes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from p2m_spawner.accounts import passwords
from p2m_spawner.accounts.errors import NameTaken, Unavailable
from p2m_spawner.accounts.model import AccountStore, State
from p2m_spawner.accounts.service import Accounts, Rules
from p2m_spawner.gateway.oauth.client_store import ClientStore, RegisteredClient
from p2m_spawner.gateway.oauth.clients import Clients
from p2m_spawner.gateway.store import MOST_GRANTS, Grant, GrantStore
from p2m_spawner.schema import WrongSchema
from tests.support.hub import ROOT
from tests.support.postgresql import PASSWORD, PostgreSQL

RULES = Rules(cost=passwords.Cost(memory=8, passes=1, lanes=1))
NOW = datetime(2026, 11, 25, 12, 30, 15, 250_000, tzinfo=UTC)


@pytest.fixture
def grants(url: str) -> Iterator[GrantStore]:
    with closing(GrantStore(url)) as store:
        yield store


def grant(number: int, user: str = "ada", **changes: datetime) -> Grant:
    times = {"created": NOW, "used": NOW, "expires": NOW + timedelta(days=30), **changes}
    return Grant(
        id=f"{number:032x}", user=user, client="test", client_id="", audience="rest", mode="full",
        refresh_hash="old", revoked=None, **times,
    )  # fmt: skip


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_times_come_back_in_utc_whatever_the_zone_of_the_server(url: str, grants: GrantStore) -> None:
    assert execute(url, "show timezone") == [("Asia/Kathmandu",)]
    grants.add(grant(1))
    kept = grants.find(f"{1:032x}")
    assert kept is not None
    assert (kept.created, kept.created.isoformat()) == (NOW, "2026-11-25T12:30:15.250000+00:00")
    with closing(AccountStore(url)) as accounts:
        accounts.add("ada", "hash", State.ACTIVE)
        ada = accounts.find("ada")
        assert ada is not None
        assert ada.created.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - ada.created) < timedelta(minutes=1)


def test_lists_and_texts_of_all_languages_come_back(url: str) -> None:
    uris = ["http://127.0.0.1/ü", "cursor://x"]
    client = RegisteredClient(
        id="c" * 32, name="Ωλα 漢字 🙂", redirect_uris=uris, secret_hash=None, created=NOW, allowed=None
    )
    with closing(ClientStore(url)) as store:
        store.add(client)
        kept = store.find("c" * 32)
        assert kept is not None
        assert (kept.name, kept.redirect_uris) == (client.name, uris)


async def test_ids_that_the_server_takes_for_no_text_are_unknown_clients(url: str) -> None:
    with closing(Clients(ClientStore(url))) as clients:
        for strange in ("a\0b", "\ud800", "x" * 100_000, ""):
            assert await clients.find(strange) is None


async def test_of_two_who_sign_up_with_one_name_one_wins(url: str) -> None:
    hubs = [Accounts(AccountStore(url), RULES) for _ in range(4)]
    signing_up = [hub.sign_up("ada", f"correct horse {number}", "10.0.0.1") for number, hub in enumerate(hubs)]
    ended = await asyncio.gather(*signing_up, return_exceptions=True)
    lost = [end for end in ended if isinstance(end, NameTaken)]
    assert (len(lost), len(ended)) == (3, 4), ended
    assert str(lost[0]) == "That user name is taken. Choose another one."
    winner = next(number for number, end in enumerate(ended) if not isinstance(end, BaseException))
    account = await hubs[(winner + 1) % 4].sign_in("ada", f"correct horse {winner}", "10.0.0.1")
    assert account.name == "ada"


async def test_a_server_that_goes_and_comes_back_is_a_pause(server: PostgreSQL, url: str) -> None:
    accounts = Accounts(AccountStore(url), RULES)
    await accounts.sign_up("ada", "correct horse", "10.0.0.1")
    server.stop()
    try:
        with pytest.raises(Unavailable, match="Accounts cannot be reached right now"):
            await accounts.find("ada")
    finally:
        server.start()
    assert (await accounts.sign_in("ada", "correct horse", "10.0.0.1")).name == "ada"


ROTATE = """
import sys
from datetime import UTC, datetime, timedelta
from p2m_spawner.gateway.store import GrantStore
store, now = GrantStore(sys.argv[1]), datetime.now(UTC)
store.prepare()
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    print(int(store.rotate(f"{number:032x}", "old", sys.argv[2], now, now + timedelta(days=30))))
"""


def test_of_two_processes_one_rotates_each_refresh_token(url: str, grants: GrantStore) -> None:
    for number in range(20):
        grants.add(grant(number, expires=datetime.now(UTC) + timedelta(days=1)))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ROTATE, url, name],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("first", "second")
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = [process.communicate("go\n", timeout=60)[0].split() for process in processes]
    assert [int(one) + int(other) for one, other in zip(*told, strict=True)] == [1] * 20
    for number, wins_of_first in enumerate(told[0]):
        kept = grants.find(f"{number:032x}")
        assert kept is not None
        assert kept.refresh_hash == ("first" if wins_of_first == "1" else "second")


def test_sign_ins_at_two_gateways_at_once_all_work_and_the_table_stays_bounded(url: str) -> None:
    stores = [GrantStore(url) for _ in range(2)]
    ended = NOW - timedelta(days=1)
    for number in range(50):  # which every one of the following wants to forget
        stores[0].add(grant(10_000 + number, "old", created=ended, expires=NOW - timedelta(hours=1)))

    def add(number: int) -> None:
        now = NOW + timedelta(seconds=number)
        stores[number % 2].add(grant(number, created=now, used=now))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(2 * MOST_GRANTS)))  # raises what any of them raised
    stores[0].add(grant(9_999, created=NOW + timedelta(hours=1), used=NOW + timedelta(hours=1)))
    assert len(stores[1].of_user("ada", NOW)) == MOST_GRANTS
    assert execute(url, "select count(*) from p2m_grants where \"user\" = 'old'") == [(0,)]
    for store in stores:
        store.close()


def test_gateways_that_start_together_make_the_tables_once(url: str) -> None:
    code = "import sys; from p2m_spawner.gateway.store import GrantStore; GrantStore(sys.argv[1]).prepare()"
    running = [subprocess.Popen([sys.executable, "-c", code, url], cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    assert execute(url, "select version_num from p2m_gateway_version") == [("gateway1",)]


def migrate(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "p2m_spawner.migrations"],
        cwd=ROOT, env={**os.environ, "P2M_DATABASE": url}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_older_tables_stay_until_the_command_is_run(url: str) -> None:
    with closing(AccountStore(url)) as store:
        store.add("ada", "hash", State.ACTIVE)
    execute(url, "drop table p2m_accounts_version")  # as they were before versions were kept
    with closing(AccountStore(url)) as store:
        with pytest.raises(
            WrongSchema, match=r"older version.*run `python -m p2m_spawner\.migrations` with its URL as"
        ):
            store.prepare()
        done = migrate(url)
        assert (done.returncode, done.stdout) == (
            0,
            "migrations: upgraded the tables of accounts from unnumbered to accounts1.\n"
            "migrations: no tables of gateway in this database.\n",
        )
        assert store.find("ada") is not None
    assert "accounts are up to date (accounts1)" in migrate(url).stdout


def test_newer_tables_are_not_touched_by_the_command_either(url: str) -> None:
    with closing(AccountStore(url)) as store:
        store.prepare()
    execute(url, "update p2m_accounts_version set version_num = 'accounts99'")
    done = migrate(url)
    assert done.returncode == 1
    assert "newer version (accounts99)" in done.stderr
    assert execute(url, "select version_num from p2m_accounts_version") == [("accounts99",)]


def test_the_command_says_what_it_needs_and_never_the_password(server: PostgreSQL) -> None:
    assert "P2M_DATABASE is not set" in migrate("").stderr
    for bad in ("postgresql://p2m:geheim@127.0.0.1:nonsense/x", server.network_url(password="geheim")):
        done = migrate(bad)
        assert done.returncode == 1
        assert len(done.stderr) > 20
        assert "geheim" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert PASSWORD not in server.log.read_text()
