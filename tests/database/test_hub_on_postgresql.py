"""A whole hub with one setting: all tables in the server, and the password in one file that nobody else reads."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import requests

from tests.support.hub import Hub
from tests.support.postgresql import PASSWORD, PostgreSQL


@pytest.fixture(scope="module")
def hub(server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    server.new_database("hub")
    url = server.network_url("hub", quote(PASSWORD, safe=""))
    running = Hub(tmp_path_factory.mktemp("postgresql") / "state", P2M_DATABASE=url).start()
    yield running
    running.down()


@pytest.fixture(autouse=True)
def logs_on_failure(hub: Hub, failed) -> Iterator[None]:
    yield
    if failed():
        hub.print_logs()


def test_people_sign_up_and_in_and_all_tables_are_in_the_server(hub: Hub, server: PostgreSQL) -> None:
    person = hub.person().sign_up().log_in()
    assert person.api("GET", "user").json()["name"] == person.name
    answer = requests.post(
        f"{hub.url}/services/p2m/auth/login",
        json={"username": person.name, "password": "wrong"},
        timeout=30,
    )
    assert answer.status_code == 401, answer.text
    with psycopg.connect(server.url("hub")) as connection:
        found = {name for (name,) in connection.execute("select tablename from pg_tables where schemaname = 'public'")}
        assert {"users", "p2m_accounts", "p2m_grants", "p2m_oauth_clients", "p2m_gateway_version"} <= found
        accounts = {name for (name,) in connection.execute("select name from p2m_accounts")}
    assert {"admin", person.name} <= accounts
    assert list(hub.state_dir.glob("*.sqlite*")) == []


def test_a_restarted_hub_knows_everybody_still(hub: Hub) -> None:
    person = hub.person().sign_up()
    hub.interrupt()
    hub.start()
    person.log_in()


def test_the_password_is_in_one_file_of_the_hubs_own(hub: Hub) -> None:
    secret = PASSWORD.rpartition("\\")[2].encode()
    having = [path for path in hub.state_dir.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert having == [hub.state_dir / "database-password"]
    assert having[0].stat().st_mode & 0o777 == 0o600
    assert secret.decode() not in hub.output()
    told = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told.append(line.read_bytes())
        except OSError:  # ended meanwhile
            continue
    assert any(b"p2m_spawner.gateway" in line for line in told)
    assert not any(secret in line or quote(PASSWORD, safe="").encode() in line for line in told)
