"""The authorization server's parts by themselves: addresses, scopes, names, seals, codes, promised grants, bounds."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from p2m_spawner.gateway.grants import CODE_LIFETIME, USED_EVERY, Grants, Reused
from p2m_spawner.gateway.keys import KeyRing
from p2m_spawner.gateway.metrics import Metrics
from p2m_spawner.gateway.oauth import redirects, scopes
from p2m_spawner.gateway.oauth.client_store import ClientStore
from p2m_spawner.gateway.oauth.clients import Clients, shown_name
from p2m_spawner.gateway.oauth.codes import BadCode, Codes
from p2m_spawner.gateway.oauth.registration import PER_ADDRESS, PERIOD, Registration
from p2m_spawner.gateway.oauth.server import as_json
from p2m_spawner.gateway.pkce import challenge
from p2m_spawner.gateway.sealed import BadSeal, seal, unseal
from p2m_spawner.gateway.store import GrantStore
from p2m_spawner.gateway.tokens import Audience, BadToken, Mode
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(tmp_path: Path, clock: Clock) -> KeyRing:
    return KeyRing(tmp_path / "keys.json", clock)


# Redirect URIs


@pytest.mark.parametrize(
    "uri",
    [
        "https://claude.ai/api/mcp/auth_callback",
        "https://app.example:8443/cb?x=1",
        "http://127.0.0.1:33418/",
        "http://127.0.0.1/cb",
        "http://localhost:3000/oauth/callback",
        "http://[::1]:5000/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "com.example.app:/cb",
        "vscode://vscode.dev/redirect",
    ],
)
def test_addresses_of_real_clients_are_taken(uri: str) -> None:
    redirects.check(uri)
    assert redirects.allowed(uri, [uri])
    assert " " not in redirects.source(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "//evil.example/cb",
        "app.example/cb",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "javascript://app.example/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/1",
        "view-source:https://app.example/",
        "http://app.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://2130706433/cb",
        "https://user@app.example/cb",
        "https:///cb",
        "https:/app.example/cb",
        "https://app.example/cb#",
        "https://app.example/cb#fragment",
        "https://app.example\\@evil.example/cb",
        "https://app.example/c b",
        "https://app.example/cb\r\nSet-Cookie: x",
        "https://äpp.example/cb",
        "https://app.example:port/cb",
        "https://[::1/cb",
        "https://app.example/" + "x" * 2048,
    ],
)
def test_dangerous_addresses_are_refused(uri: str) -> None:
    with pytest.raises(redirects.BadRedirect):
        redirects.check(uri)
    assert not redirects.allowed(uri, [uri])


@pytest.mark.parametrize(
    ("asked", "registered", "good"),
    [
        ("https://app.example/cb", "https://app.example/cb", True),
        ("https://app.example/cb/", "https://app.example/cb", False),
        ("https://app.example/CB", "https://app.example/cb", False),
        ("https://app.example:443/cb", "https://app.example/cb", False),
        ("https://app.example/cb?x=1", "https://app.example/cb", False),
        ("https://evil.example/cb", "https://app.example/cb", False),
        ("http://127.0.0.1:5/cb", "http://127.0.0.1/cb", True),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5/cb", True),
        ("http://[::1]:5/cb", "http://[::1]:6/cb", True),
        ("http://localhost:5/cb", "http://localhost:6/cb", True),
        ("http://localhost:5/cb", "http://127.0.0.1:5/cb", False),
        ("http://127.0.0.1:5/other", "http://127.0.0.1:5/cb", False),
        ("http://127.0.0.1:5/cb?x=1", "http://127.0.0.1:5/cb", False),
        ("https://127.0.0.1:5/cb", "https://127.0.0.1:6/cb", False),
        ("cursor://a/cb", "cursor://a/cb", True),
        ("cursor://a:1/cb", "cursor://a:2/cb", False),
    ],
)
def test_addresses_are_compared_exactly_but_for_loopback_ports(asked: str, registered: str, good: bool) -> None:
    assert redirects.allowed(asked, [registered]) is good


@given(st.text(max_size=60), st.sampled_from(["https://app.example/cb", "http://127.0.0.1:1/cb"]))
def test_no_text_gets_a_browser_elsewhere(text: str, registered: str) -> None:
    for uri in (text, registered + text, text + registered):
        if redirects.allowed(uri, [registered]):
            assert redirects._without_port(uri) == redirects._without_port(registered)


def test_answers_are_added_to_a_query() -> None:
    assert (
        redirects.with_query("https://a.example/cb?x=1", code="a b", state=None) == "https://a.example/cb?x=1&code=a+b"
    )


# Scopes and names


@pytest.mark.parametrize(
    ("asked", "modes"),
    [
        (None, ["full", "no-code", "read-only"]),
        (" ", ["full", "no-code", "read-only"]),
        ("p2m:full p2m:no-code p2m:read-only", ["full", "no-code", "read-only"]),
        ("p2m:no-code", ["no-code", "read-only"]),
        ("offline_access p2m:read-only", ["read-only"]),
    ],
)
def test_a_person_chooses_among_what_is_asked_for_and_less(asked: str | None, modes: list[str]) -> None:
    assert list(scopes.offered(asked)) == modes


@pytest.mark.parametrize("asked", ["openid", "p2m:root", "full"])
def test_scopes_of_others_alone_are_refused(asked: str) -> None:
    with pytest.raises(scopes.NoScope):
        scopes.offered(asked)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Claude", "Claude"),
        ("  VS\n Code\t", "VS Code"),
        ("a\u202eb\u0000c\ud800", "abc"),
        ("", "app.example"),
        (None, "app.example"),
        ("\u200b", "app.example"),
        ("x" * 500, "x" * 64),
    ],
)
def test_names_are_made_safe_to_show(name: str | None, shown: str) -> None:
    assert shown_name(name, "app.example") == shown


# Seals and codes


def test_what_is_sealed_for_one_purpose_opens_for_no_other(ring: KeyRing, clock: Clock) -> None:
    sealed = seal(ring, "state", {"page": "/x"}, 60, clock.now)
    assert unseal(ring, "state", sealed, clock.now)["page"] == "/x"
    none = sealed.partition(".")
    for purpose, text, now in [
        ("session", sealed, clock.now),
        ("state", sealed, clock.now + 60),
        ("state", sealed[:-3], clock.now),
        ("state", f"eyJhbGciOiJub25lIn0.{none[2].partition('.')[0]}.", clock.now),
        ("state", "", clock.now),
        ("state", "x" * 20_000, clock.now),
    ]:
        with pytest.raises(BadSeal):
            unseal(ring, purpose, text, now)


def test_a_code_opens_for_its_client_address_and_verifier_and_in_time(ring: KeyRing, clock: Clock) -> None:
    codes = Codes(ring, clock)
    code = codes.make("ticket", "c1", "https://a.example/", challenge("v"))
    assert codes.ticket(code, "c1", "https://a.example/", "v") == "ticket"
    for wrong in [
        ("c2", "https://a.example/", "v"),
        ("c1", "https://b.example/", "v"),
        ("c1", "https://a.example/", ""),
    ]:
        with pytest.raises(BadCode):
            codes.ticket(code, *wrong)
    clock.now += CODE_LIFETIME.total_seconds()
    with pytest.raises(BadCode):
        codes.ticket(code, "c1", "https://a.example/", "v")


@pytest.fixture
def grants(tmp_path: Path, ring: KeyRing, clock: Clock) -> Iterator[Grants]:
    made = Grants(GrantStore(f"sqlite:///{tmp_path / 'gateway.sqlite'}"), ring, clock)
    yield made
    made.close()


async def promise(grants: Grants) -> str:
    return await grants.promise("ada", client="App", mode=Mode.NO_CODE, audience=Audience.MCP, client_id="c1")


async def test_a_ticket_works_once_in_time_and_for_its_client(grants: Grants, clock: Clock) -> None:
    ticket = await promise(grants)
    with pytest.raises(BadToken):
        await grants.redeem(ticket, "c2")
    with pytest.raises(BadToken):
        await grants.redeem(ticket, "")
    pair = await grants.redeem(ticket, "c1")
    assert (await grants.verify(pair.access_token, [Audience.MCP])).mode is Mode.NO_CODE
    with pytest.raises(Reused):
        await grants.redeem(ticket, "c1")
    with pytest.raises(BadToken):
        await grants.verify(pair.access_token, [Audience.MCP])

    late = await promise(grants)
    clock.now += CODE_LIFETIME.total_seconds()
    with pytest.raises(BadToken):
        await grants.redeem(late, "c1")


async def test_two_at_once_get_one_pair_at_most(grants: Grants) -> None:
    ticket = await promise(grants)
    outcomes = await asyncio.gather(*(grants.redeem(ticket, "c1") for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) <= 1
    assert sum(isinstance(outcome, BadToken) for outcome in outcomes) >= 4


async def test_a_connected_client_is_listed_with_its_last_use(grants: Grants, clock: Clock) -> None:
    ticket = await promise(grants)
    assert await grants.of_user("ada") == [], "its client has not come yet"
    pair = await grants.redeem(ticket, "c1")
    since = clock.now
    clock.now += USED_EVERY.total_seconds() + 60
    await grants.verify(pair.access_token, [Audience.MCP])
    (listed,) = await grants.of_user("ada")
    assert (listed.client, listed.mode, listed.audience) == ("App", "no-code", "p2m-mcp")
    assert (listed.created.timestamp(), listed.used.timestamp()) == (since, clock.now)


# Registration is bounded


async def test_ten_thousand_registrations_are_throttled_and_leave_a_small_table(tmp_path: Path, clock: Clock) -> None:
    clients = Clients(ClientStore(f"sqlite:///{tmp_path / 'gateway.sqlite'}", most=50), clock)
    registration = Registration(clients, Metrics(), clock)
    app = Starlette(routes=[Route("/register", as_json(registration), methods=["POST"])])
    statuses: dict[int, int] = {}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:

        async def register(forwarded: str) -> httpx2.Response:
            body = {"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"}
            return await http.post("/register", json=body, headers={"X-Forwarded-For": forwarded})

        kept = (await register("192.0.2.1")).json()["client_id"]
        await clients.allowed(kept)
        for number in range(10_000):
            answer = await register(f"203.0.113.{number % 250}, 192.0.2.1")  # what a client says of itself is nothing
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= PERIOD / PER_ADDRESS + 1
        assert statuses == {201: PER_ADDRESS - 1, 429: 10_001 - PER_ADDRESS}
        clock.now += PERIOD
        assert (await register("192.0.2.1")).status_code == 201
    assert len(registration._throttle) == 1
    assert await clients.find(kept) is not None, "one that somebody has let in is kept"
    with clients._store._session() as session:
        assert session.connection().exec_driver_sql("select count(*) from p2m_oauth_clients").scalar() == 50
    clients.close()
