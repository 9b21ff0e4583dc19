"""The one MCP address, over real single-user servers without Blender: what passes, what wakes, what is noted."""

import asyncio
import contextlib
import json
import os
import signal
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from p2m_spawner.gateway.mcp_relay import MAX_BODY
from tests.conformance.forwarder import forwarder
from tests.conformance.suites import REQUIRED_BY_2025_11_25
from tests.support.hub import Hub, Person
from tests.support.mcp_client import text_of
from tests.support.waiting import wait_for, wait_for_async

from .conftest import Api
from .local_server import COUNTED, HANGS, LET_GO

ACCEPT = {"Accept": "application/json, text/event-stream"}
LEGACY = "2025-06-18"
generations = pytest.mark.parametrize("mode", ["auto", "legacy"])


class Agent:
    """Somebody with a token who speaks MCP without a library."""

    def __init__(self, hub: Hub, token: str) -> None:
        self.url = f"{hub.url}/services/p2m/mcp"
        self.token = token
        self.headers = {**ACCEPT, "Authorization": f"Bearer {token}"}

    def post(self, message: Any, *, stream: bool = False, **headers: str) -> requests.Response:
        return requests.post(self.url, json=message, headers=self.headers | headers, timeout=60, stream=stream)

    def call(self, tool: str, arguments: dict[str, Any] | None = None, **headers: str) -> requests.Response:
        return self.post(request("tools/call", {"name": tool, "arguments": arguments or {}}), **modern(tool), **headers)

    def initialize(self) -> dict[str, str]:
        """Open a session of an older protocol; the headers of what follows."""
        about = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "by hand", "version": "0"}}
        answer = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
        assert answer.ok, answer.text
        headers = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"], "MCP-Protocol-Version": LEGACY}
        sent = self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **headers)
        assert sent.status_code == 202, sent.text
        return headers


def request(method: str, params: dict[str, Any] | None = None, token: str | None = None) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    if token:
        meta["progressToken"] = token
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": meta}}


def modern(tool: str | None = None, method: str = "tools/call") -> dict[str, str]:
    return {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method} | ({"Mcp-Name": tool} if tool else {})


def result_of(answer: requests.Response) -> Any:
    """The result in an answer that is JSON or events."""
    assert answer.ok, answer.text
    message = events_of(answer.text)[-1] if "event-stream" in answer.headers["Content-Type"] else answer.json()
    return message["result"]


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:") and line[5:].strip()]


@contextlib.asynccontextmanager
async def connected(agent: Agent, mode: Any = "auto", **options: Any) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {agent.token}"}, timeout=90) as http:
        streams = streamable_http_client(agent.url, http_client=http, max_sse_event_size=None)
        async with Client(streams, mode=mode, **options) as client:
            yield client


def somebody(hub: Hub, stem: str) -> tuple[Person, Agent]:
    person = hub.person(stem)
    api = Api(hub)
    assert api.sign_up(person).status_code == 201
    person.log_in()
    return person, Agent(hub, person.token)


def home_of(hub: Hub, person: Person) -> Path:
    return hub.state_dir / "homes" / person.name


def runs(pid: int) -> bool:
    """Whether a process runs: neither gone, nor a corpse without threads that its parent has not noticed yet."""
    process = Path(f"/proc/{pid}")
    try:
        state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z" or len(list((process / "task").iterdir())) > 1
    except FileNotFoundError:
        return False


def gateway_pid(hub: Hub) -> int:
    """The process that the hub has started, which supervises the one that serves."""
    return int((hub.state_dir / "gateway.pid").read_text())


def serving(hub: Hub) -> list[int]:
    supervisor = gateway_pid(hub)
    return [int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]


@pytest.fixture(scope="module")
def ada(local: Hub) -> tuple[Person, Agent]:
    person, agent = somebody(local, "ada")
    person.start_server()
    return person, agent


@pytest.fixture(scope="module")
def agent(ada: tuple[Person, Agent]) -> Agent:
    """The agent of somebody whose server runs."""
    return ada[1]


@pytest.fixture(scope="module")
def admin(local: Hub) -> Api:
    return Api(local, local.admin().token)


# --- who may, and what is refused -------------------------------------------------------------------------------------


def test_no_token_is_401_and_says_where_to_get_one(local: Hub) -> None:
    answer = requests.post(f"{local.url}/services/p2m/mcp", json=request("tools/list"), headers=ACCEPT, timeout=10)
    assert answer.status_code == 401
    where = f"{local.url}/.well-known/oauth-protected-resource/services/p2m/mcp"
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="p2m", resource_metadata="{where}"'
    assert answer.json()["jsonrpc"] == "2.0"


@pytest.mark.parametrize("token", ["nonsense", "a.b.c"])
def test_a_bad_token_is_401_with_the_error_in_the_challenge(local: Hub, token: str) -> None:
    answer = Agent(local, token).post(request("tools/list"))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert "resource_metadata=" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
def test_foreign_origins_and_hosts_are_403(agent: Agent, headers: dict[str, str]) -> None:
    assert agent.post(request("tools/list"), **headers).status_code == 403


def test_a_method_that_is_none_is_405(agent: Agent) -> None:
    answer = requests.put(agent.url, headers=agent.headers, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST, DELETE")


def test_what_is_no_json_rpc_is_400(agent: Agent) -> None:
    answer = requests.post(agent.url, data=b"{", headers=agent.headers, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]["data"] == {"error": "parse_error"}


def test_a_body_over_the_limit_is_413_and_one_below_passes(agent: Agent) -> None:
    assert agent.call("length", {"text": "y" * MAX_BODY}).status_code == 413
    passed = agent.call("length", {"text": "y" * (MAX_BODY - 2000)})
    assert result_of(passed)["structuredContent"] == {"result": MAX_BODY - 2000}


def test_a_service_has_no_blender(local: Hub, ada: tuple[Person, Agent]) -> None:
    person, _ = ada
    made = person.api("POST", f"users/{person.name}/tokens", json={"scopes": ["read:users!user"]}).json()
    answer = Agent(local, made["token"]).post(request("tools/list"))
    assert answer.status_code == 403
    assert "does not open their Blender" in answer.json()["error"]["message"]


# --- what passes ------------------------------------------------------------------------------------------------------


@generations
async def test_each_token_opens_its_owners_server(local: Hub, ada: tuple[Person, Agent], mode: str) -> None:
    bob, bobs = somebody(local, f"bob{mode}")
    try:
        for person, agent in ((ada[0], ada[1]), (bob, bobs)):
            async with connected(agent, mode) as client:
                found = await client.call_tool("whose", {})
                assert found.structured_content["user"] == person.name
    finally:
        bob.stop_server()


async def test_a_login_token_opens_it_too(local: Hub, ada: tuple[Person, Agent]) -> None:
    tokens = Api(local).log_in(ada[0])
    assert tokens["mcp_url"] == ada[1].url
    async with connected(Agent(local, tokens["access_token"])) as client:
        assert (await client.call_tool("whose", {})).structured_content["user"] == ada[0].name


def test_the_server_sees_the_gateways_token_and_the_narrowest_mode(agent: Agent) -> None:
    asked = agent.call("headers", **{"X-P2M-Mode": "no-code", "Cookie": "a=b", "X-Forwarded-For": "10.9.8.7"})
    seen = result_of(asked)["structuredContent"]
    assert seen["x-p2m-mode"] == "no-code"
    assert not {"authorization", "cookie", "x-forwarded-for", "origin"} & set(seen)
    assert result_of(agent.call("headers"))["structuredContent"]["x-p2m-mode"] == "full"
    assert agent.call("headers", **{"X-P2M-Mode": "all"}).status_code == 400


def test_no_answer_has_a_cookie_or_a_token_of_the_gateway(agent: Agent) -> None:
    answer = agent.call("whose")
    assert answer.ok
    assert set(map(str.lower, answer.headers)) <= {
        *(
            "content-type",
            "cache-control",
            "date",
            "connection",
            "transfer-encoding",
            "x-accel-buffering",
            "keep-alive",
        ),
        "x-content-type-options",
    }


@generations
async def test_a_result_of_many_megabytes_passes(agent: Agent, mode: str) -> None:
    async with connected(agent, mode) as client:
        assert len(text_of(await client.call_tool("large", {"size": 20_000_000}))) == 20_000_000


def test_progress_arrives_while_the_tool_works(agent: Agent) -> None:
    began = time.monotonic()
    message = request("tools/call", {"name": "hang", "arguments": {}}, token="p")
    with agent.post(message, stream=True, **modern("hang")) as answer:
        arrived = [time.monotonic() - began for _, _ in zip(range(3), answer.iter_content(None), strict=False)]
    assert len(arrived) == 3, "this tool never ends: whatever arrives is not held back"


@generations
async def test_cancelling_reaches_the_tool(local: Hub, ada: tuple[Person, Agent], mode: str) -> None:
    home = home_of(local, ada[0])
    for file in (HANGS, LET_GO):
        (home / file).unlink(missing_ok=True)
    async with connected(ada[1], mode) as client:
        call = asyncio.create_task(client.call_tool("hang", {}))
        await wait_for_async((home / HANGS).exists, 30, "call")
        call.cancel()
        await wait_for_async((home / LET_GO).exists, 30, "end of the cancelled call")


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_the_relay_carries_all_that_the_protocol_can_say(agent: Agent, tmp_path: Path) -> None:
    """Elicitation, sampling, logging, resources, resumed streams: the suite of MCP's authors."""
    nothing = tmp_path / "baseline.yml"
    nothing.write_text("server: []\n")
    async with forwarder(agent.url, agent.token) as url:
        said = await REQUIRED_BY_2025_11_25.run(url, nothing)
    assert said.count("\n✓ ") >= 30, said


# --- waking -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper(local: Hub) -> Iterator[tuple[Person, Agent]]:
    """Somebody whose server has never run."""
    person, agent = somebody(local, "sleeper")
    yield person, agent
    person.api("DELETE", f"users/{person.name}/server")  # nobody waits for its end


def test_progress_notifications_tell_of_the_start(sleeper: tuple[Person, Agent]) -> None:
    _, agent = sleeper
    message = request("tools/call", {"name": "test_tool_with_progress", "arguments": {}}, token="wake")
    seen = events_of(agent.post(message, **modern("test_tool_with_progress")).text)
    told = [event["params"] for event in seen if event.get("method") == "notifications/progress"]
    assert {each["progressToken"] for each in told} == {"wake"}
    values = [each["progress"] for each in told]
    assert values == sorted(set(values)), "progress grows"
    assert values[0] < 0 < values[-1]
    assert all(each["message"] for each in told if each["progress"] < 0)
    assert seen[-1]["result"]["content"][0]["text"] == "done"


def test_who_asks_for_no_progress_gets_lines_that_keep_the_stream_alive(sleeper: tuple[Person, Agent]) -> None:
    answer = sleeper[1].call("whose")
    assert answer.text.startswith(": ")
    assert result_of(answer)["structuredContent"]["user"] == sleeper[0].name


@generations
async def test_connecting_wakes_and_one_start_serves_all(sleeper: tuple[Person, Agent], mode: str) -> None:
    person, agent = sleeper

    async def pid() -> int:
        async with connected(agent, mode) as client:
            found = await client.call_tool("whose", {})
            return int(found.structured_content["pid"])

    assert len(set(await asyncio.gather(*(pid() for _ in range(5))))) == 1
    assert person.is_ready()


async def test_a_client_of_the_new_protocol_stays_with_it_however_long_the_start_takes(local: Hub) -> None:
    person, agent = somebody(local, "slow")
    async with connected(agent) as client:
        assert client.protocol_version == "2026-07-28"
        assert (await client.call_tool("whose", {})).structured_content["user"] == person.name
    person.stop_server()


def test_a_session_opened_during_the_start_is_the_clients_own(local: Hub, sleeper: tuple[Person, Agent]) -> None:
    _, agent = sleeper
    session = agent.initialize()
    listed = agent.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, **session)
    assert result_of(listed)["tools"]
    assert listed.headers["Mcp-Session-Id"] == session["Mcp-Session-Id"]
    stranger = Agent(local, local.admin().token).post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, **session)
    assert stranger.status_code == 404
    assert requests.delete(agent.url, headers=agent.headers | session, timeout=10).ok
    assert agent.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, **session).status_code == 404


def test_what_only_listens_wakes_nobody(sleeper: tuple[Person, Agent]) -> None:
    person, agent = sleeper
    session = {"Mcp-Session-Id": "of-yesterday"}
    assert requests.get(agent.url, headers=agent.headers | session, timeout=10).status_code == 404
    assert requests.delete(agent.url, headers=agent.headers | session, timeout=10).status_code == 404
    assert agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session).status_code == 404
    assert agent.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}).json()["result"] == {}
    assert not person.api("GET", f"users/{person.name}").json()["servers"]


def test_an_old_session_is_404_at_once_and_the_server_starts_meanwhile(sleeper: tuple[Person, Agent]) -> None:
    person, agent = sleeper
    answer = agent.post({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}, **{"Mcp-Session-Id": "of-yesterday"})
    assert answer.status_code == 404
    assert answer.json()["id"] == 7
    agent.initialize()
    assert person.is_ready()


def test_a_start_that_fails_tells_why(light: Hub) -> None:
    _, agent = somebody(light, "unlucky")
    for accept in ("application/json, text/event-stream", "application/json"):
        answer = agent.call("whose", Accept=accept)
        error = events_of(answer.text)[-1]["error"] if "event-stream" in accept else answer.json()["error"]
        assert error["message"] == "Your Blender could not be started: There are no containers today."
        assert answer.status_code == (200 if "event-stream" in accept else 503)


# --- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_restart_between_two_calls_is_not_noticed(sleeper: tuple[Person, Agent]) -> None:
    person, agent = sleeper
    async with connected(agent) as client:
        before = (await client.call_tool("whose", {})).structured_content["pid"]
        await asyncio.to_thread(person.stop_server)
        await asyncio.to_thread(person.start_server)
        assert (await client.call_tool("whose", {})).structured_content["pid"] != before
        await asyncio.to_thread(person.stop_server)
        assert (await client.call_tool("whose", {})).structured_content["pid"] != before


async def test_a_server_that_was_killed_is_started_again(sleeper: tuple[Person, Agent]) -> None:
    person, agent = sleeper
    async with connected(agent) as client:
        before = (await client.call_tool("whose", {})).structured_content["pid"]
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: not runs(before), 10, "end of the server")
        assert (await client.call_tool("whose", {})).structured_content["pid"] != before
    assert person.is_ready()


def test_a_client_with_a_session_hears_404_after_a_restart(sleeper: tuple[Person, Agent]) -> None:
    person, agent = sleeper
    person.start_server()
    session = agent.initialize()
    person.stop_server()
    person.start_server()
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert agent.post(message, **session).status_code == 404
    assert result_of(agent.post(message, **agent.initialize()))["tools"]


async def test_a_server_that_dies_during_a_call_is_an_error_with_advice(
    local: Hub, sleeper: tuple[Person, Agent], admin: Api
) -> None:
    person, agent = sleeper
    async with connected(agent) as client:
        pid = (await client.call_tool("whose", {})).structured_content["pid"]
        call = asyncio.create_task(client.call_tool("hang", {}))
        await wait_for_async((home_of(local, person) / HANGS).exists, 30, "call")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(MCPError, match="look at the scene"):
            await call

        async def pid_of_the_next() -> Any:
            try:
                return (await client.call_tool("whose", {})).structured_content["pid"]
            except MCPError as error:  # the next call may still meet the end of the dead server's connections
                assert "Try again in a few seconds" in str(error)

        assert await wait_for_async(pid_of_the_next, 60, "a call that follows the advice", interval=1) != pid
    assert audited(admin, person, tool="hang")[0]["outcome"] == "lost"


# --- the audit --------------------------------------------------------------------------------------------------------


def audited(admin: Api, person: Person, **query: str) -> list[dict[str, Any]]:
    answer = admin.get("admin/audit", params={"user": person.name, **query})
    assert answer.status_code == 200, answer.text
    calls: list[dict[str, Any]] = answer.json()["calls"]
    return calls


def test_each_call_is_noted_with_its_outcome(local: Hub, sleeper: tuple[Person, Agent], admin: Api) -> None:
    person, agent = sleeper
    secret = "a-secret-argument"
    agent.call("length", {"text": secret}, **{"X-P2M-Mode": "no-code"})
    agent.call("fail")
    agent.call("no_such_tool")
    agent.call("large", {"size": 300_000})
    agent.post(request("tools/list"), **modern(method="tools/list"))
    with agent.post(request("tools/call", {"name": "hang"}, "p"), stream=True, **modern("hang")) as answer:
        next(answer.iter_content(None))
    wait_for(lambda: audited(admin, person, tool="hang"), 10, "end of the call that was left")
    calls = audited(admin, person)
    assert [(call["tool"], call["outcome"]) for call in reversed(calls)] == [
        ("length", "ok"),
        ("fail", "tool-error"),
        ("no_such_tool", "tool-error"),
        ("large", "ok"),
        ("hang", "cancelled"),
    ]
    first = calls[-1]
    assert (first["client"], first["program"], first["mode"]) == ("hub token", "by hand", "no-code")
    assert first["arguments"] is None
    file = local.state_dir / "logs" / "audit.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert secret not in text
    assert agent.token not in text
    assert Api(local, agent.token).get("admin/audit").status_code == 403
    assert [call["tool"] for call in audited(admin, person, outcome="tool-error", limit="1")] == ["no_such_tool"]
    page = admin.get("metrics").text
    assert 'p2m_gateway_tool_calls_total{mode="no-code",outcome="ok"}' in page


# --- activity ---------------------------------------------------------------------------------------------------------


def last_activity(agent: Agent, person: Person) -> str:
    headers = {"Authorization": f"Bearer {agent.token}"}
    answer = requests.get(person.server_url("api/status"), headers=headers, timeout=10)
    return str(answer.json()["last_activity"])


@pytest.mark.parametrize("address", ["everybody's", "one's own"])
def test_a_stream_on_which_nothing_happens_opens_at_once(ada: tuple[Person, Agent], address: str) -> None:
    """The proxy holds headers back until something follows, and the server says nothing by itself for 15 s."""
    person, agent = ada
    session = agent.initialize()
    url = agent.url if address == "everybody's" else person.mcp_url
    with requests.get(url, headers=agent.headers | session, timeout=10, stream=True) as stream:
        assert stream.ok
        assert next(stream.iter_content(None)) == b": open\r\n\r\n"


def test_an_open_stream_is_no_use_of_the_server_and_a_call_is(ada: tuple[Person, Agent]) -> None:
    person, agent = ada
    session = agent.initialize()
    before = last_activity(agent, person)
    with requests.get(agent.url, headers=agent.headers | session, timeout=60, stream=True) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        chunks = stream.iter_content(None)
        next(chunks)  # the relay's, at once
        next(chunks)  # the server's own life sign
        assert last_activity(agent, person) == before
    agent.call("whose")
    assert last_activity(agent, person) > before


# --- when the hub or the gateway is away ------------------------------------------------------------------------------


def test_while_the_hub_does_not_answer_known_callers_go_on_and_others_are_asked_to_come_back(
    local: Hub, ada: tuple[Person, Agent]
) -> None:
    person, agent = ada
    assert agent.call("whose").ok
    unknown = Agent(local, person.api("POST", f"users/{person.name}/tokens", json={}).json()["token"])
    assert local.process
    os.kill(local.process.pid, signal.SIGSTOP)
    try:
        assert result_of(agent.call("whose"))["structuredContent"]["user"] == person.name
        refused = unknown.call("whose")  # after 15 s, so what the hub said of the other caller is old by now
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "Try again in 5 seconds" in refused.json()["error"]["message"]
        assert result_of(agent.call("whose"))["structuredContent"]["user"] == person.name
    finally:
        os.kill(local.process.pid, signal.SIGCONT)
    wait_for(lambda: unknown.call("whose").ok, 30, "recovery")


def end_the_gateway(hub: Hub, number: int) -> int:
    """Send the process that serves a signal; its supervisor starts another."""
    (pid,) = serving(hub)
    os.kill(pid, number)
    return pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_session_resumes_its_call_at_the_next_gateway_and_misses_nothing(
    local: Hub, ada: tuple[Person, Agent], number: int
) -> None:
    seen: list[float] = []
    ended: list[int] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)
        if len(seen) == 5:
            ended.append(end_the_gateway(local, number))

    async with connected(ada[1], "legacy") as client:
        result = await client.call_tool("count", {"to": 60}, progress_callback=on_progress)
        assert text_of(result) == "counted to 60"
        assert seen == list(range(1, 61)), "each number once, those from the gap too"
        assert (await client.call_tool("whose", {})).structured_content["user"] == ada[0].name
    assert serving(local) != ended


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGKILL, "ended without a response"), (signal.SIGTERM, "Try again in a minute")]
)
async def test_a_call_without_a_session_ends_in_blender_with_its_connection_and_can_be_repeated(
    local: Hub, ada: tuple[Person, Agent], number: int, told: str
) -> None:
    person, agent = ada
    (home_of(local, person) / COUNTED).unlink(missing_ok=True)

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if progress == 5:
            end_the_gateway(local, number)

    async with connected(agent) as client:
        assert client.protocol_version == "2026-07-28"
        with pytest.raises(MCPError, match=told):
            await client.call_tool("count", {"to": 6000}, progress_callback=on_progress)
        await wait_for_async((home_of(local, person) / COUNTED).exists, 10, "end of the call whose client was cut off")
        assert text_of(await client.call_tool("count", {"to": 3})) == "counted to 3"


def test_requests_wait_for_the_next_gateway_instead_of_being_refused(local: Hub, ada: tuple[Person, Agent]) -> None:
    session = ada[1].initialize()
    supervisor = gateway_pid(local)
    killed = end_the_gateway(local, signal.SIGKILL)
    wait_for(lambda: not runs(killed), 10, "end of the process that served", interval=0.01)
    began = time.monotonic()
    assert result_of(ada[1].call("whose"))["structuredContent"]["user"] == ada[0].name
    took = time.monotonic() - began
    print(f"the next gateway answers {took:.1f} s after the end of the one before")
    assert took < 10
    assert gateway_pid(local) == supervisor
    assert result_of(ada[1].post({"jsonrpc": "2.0", "id": 6, "method": "tools/list"}, **session))["tools"]
