"""Starts, as the hub tells of them: the moments that a real hub shows only now and then, from a scripted one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from p2m_spawner.gateway.reach import why_not_ready
from p2m_spawner.gateway.rest.sessions import why_keep
from p2m_spawner.gateway.servers import Servers, StartFailed
from p2m_spawner.hub_client import HubAway, HubClient, HubRefused

Reply = tuple[int, Any]
READY = {"progress": 100, "ready": True, "message": "Server ready at /user/ada/"}
OLD_FAILURE = {"progress": 100, "failed": True, "message": "Spawn failed: The disk was full."}


class ScriptedHub:
    """Answers from lists; the last entry of each stays.

    Args:
        starts: Replies to `POST …/server`.
        progress: Replies to `GET …/progress`: a status and a list of events.
        servers: Server models of the user, None for a stopped one.
    """

    def __init__(self, starts: list[Reply], progress: list[Reply], servers: list[dict[str, Any] | None]) -> None:
        self.scripts: dict[str, list[Any]] = {"start": starts, "progress": progress, "user": servers}
        self.asked: list[str] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        what = "start" if request.method == "POST" else "progress" if request.url.path.endswith("/progress") else "user"
        self.asked.append(what)
        script = self.scripts[what]
        reply = script.pop(0) if len(script) > 1 else script[0]
        await asyncio.sleep(0)
        if what == "user":
            servers = {} if reply is None else {"": {**SERVER, **reply}}
            return httpx2.Response(200, json={"name": "ada", "admin": False, "servers": servers})
        status, body = reply
        if isinstance(body, Exception):
            raise body
        if what == "progress" and status == 200:
            return httpx2.Response(200, text="".join(f"data: {json.dumps(event)}\n\n\n" for event in body))
        return httpx2.Response(status, json={"status": status, "message": body})


SERVER = {
    "name": "",
    "url": "/user/ada/",
    "ready": False,
    "pending": None,
    "started": "2026-11-25T03:00:00.000000Z",
    "last_activity": None,
}

MakeServers = Callable[..., Servers]


@pytest.fixture
async def make_servers() -> AsyncIterator[MakeServers]:
    opened: list[HubClient] = []

    def make(script: ScriptedHub) -> Servers:
        hub = HubClient("http://hub/hub/api", "token", transport=httpx2.MockTransport(script))
        opened.append(hub)
        return Servers(hub, "token")

    yield make
    for hub in opened:
        await hub.__aexit__(None, None, None)


async def steps(servers: Servers) -> list[str]:
    return [step.message async for step in servers.start("ada").follow()]


async def test_progress_is_told_to_all_who_join_from_the_beginning(make_servers: MakeServers) -> None:
    events = [{"progress": 40, "message": "Starting Blender …"}, READY]
    hub = ScriptedHub([(202, "")], [(200, events)], [None])
    servers = make_servers(hub)
    told = await asyncio.gather(*(steps(servers) for _ in range(10)))
    assert told == [["Starting Blender …", "Server ready at /user/ada/"]] * 10
    assert hub.asked.count("start") == 1
    assert servers.starting("ada") is None


async def test_the_failure_of_the_start_before_is_not_taken_for_this_ones(make_servers: MakeServers) -> None:
    hub = ScriptedHub([(202, "")], [(200, [OLD_FAILURE]), (200, [READY])], [None])
    assert await steps(make_servers(hub)) == ["Server ready at /user/ada/"]


async def test_a_failure_is_the_hubs_sentence(make_servers: MakeServers) -> None:
    events = [{"progress": 40, "message": "Starting Blender …"}, OLD_FAILURE]
    servers = make_servers(ScriptedHub([(202, "")], [(200, events)], [None]))
    with pytest.raises(StartFailed, match=r"^The disk was full\.$"):
        await steps(servers)


async def test_a_refusal_of_the_hub_is_its_sentence(make_servers: MakeServers) -> None:
    servers = make_servers(ScriptedHub([(429, "Too many users are starting.")], [(404, "no")], [None]))
    with pytest.raises(StartFailed, match=r"^Too many users are starting\.$"):
        await steps(servers)


async def test_a_server_that_stops_is_started_afterwards(make_servers: MakeServers) -> None:
    hub = ScriptedHub(
        [(400, "ada is pending stop"), (400, "ada is pending stop"), (202, "")],
        [(400, "not starting"), (400, "not starting"), (400, "not starting"), (200, [READY])],
        [{"pending": "stop"}, None],
    )
    assert await steps(make_servers(hub)) == ["Server ready at /user/ada/"]


async def test_a_refusal_that_stays_is_told(make_servers: MakeServers) -> None:
    servers = make_servers(ScriptedHub([(400, "No such profile.")], [(400, "not starting")], [None]))
    with pytest.raises(StartFailed, match=r"^No such profile\.$"):
        await steps(servers)


async def test_a_server_that_is_stopped_while_it_starts_is_no_endless_wait(make_servers: MakeServers) -> None:
    servers = make_servers(ScriptedHub([(202, "")], [(400, "not starting")], [{"pending": "spawn"}, None]))
    with pytest.raises(StartFailed, match="was stopped"):
        await asyncio.wait_for(steps(servers), 10)


async def test_a_server_that_runs_needs_no_start(make_servers: MakeServers) -> None:
    servers = make_servers(ScriptedHub([(400, "already running")], [(404, "")], [{"ready": True}]))
    assert await steps(servers) == []


async def test_a_hub_that_goes_away_ends_the_start_and_the_next_one_is_new(make_servers: MakeServers) -> None:
    hub = ScriptedHub([(0, httpx2.ConnectError("refused")), (201, "")], [(0, httpx2.ConnectError("refused"))], [None])
    servers = make_servers(hub)
    with pytest.raises(HubAway):
        await steps(servers)
    hub.scripts["progress"] = [(200, [READY])]
    assert await steps(servers) == ["Server ready at /user/ada/"]


async def test_who_gives_up_waiting_does_not_end_the_start(make_servers: MakeServers) -> None:
    release = asyncio.Event()

    async def slow(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/progress"):
            return httpx2.Response(400, json={"message": "not starting"})
        await release.wait()
        return httpx2.Response(201)

    hub = HubClient("http://hub/hub/api", "token", transport=httpx2.MockTransport(slow))
    servers = Servers(hub, "token")
    start = servers.start("ada")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(start.ready(), 0.05)
    assert servers.start("ada") is start
    release.set()
    await asyncio.wait_for(start.ready(), 5)
    await hub.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, "<html>", HubAway),
        (503, '{"message": "Accounts cannot be reached.", "error": "unavailable"}', HubRefused),
        (500, "oops", HubRefused),
        (302, "", HubRefused),
        (404, '{"status": 404}', HubRefused),
    ],
)
async def test_each_failure_of_the_hub_is_one_of_two(status: int, body: str, kind: type[Exception]) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, text=body))
    async with HubClient("http://hub/hub/api", "token", transport=transport) as hub:
        with pytest.raises(kind):
            await hub.server_place("ada")


def test_what_is_waited_for_is_said_in_words() -> None:
    blender = {"state": "starting", "reason": None}
    status: dict[str, Any] = {"blender": blender, "mcp": {"state": "down"}, "jobs": []}
    assert why_not_ready(None) == "The server does not answer yet."
    assert why_not_ready(status) == "Blender is starting."
    blender |= {"state": "failed", "reason": "it crashed five times"}
    assert why_not_ready(status) == "Blender is failed: it crashed five times."
    blender |= {"state": "ready"}
    assert why_not_ready(status) == "Blender is ready, its MCP server is down."


def test_work_keeps_a_server() -> None:
    idle: dict[str, Any] = {"blender": {"state": "ready"}, "jobs": []}
    assert why_keep(idle) is None
    assert why_keep(None)
    assert why_keep({**idle, "jobs": [{}, {}]}) == "2 renders going on."
    assert why_keep({**idle, "blender": {"state": "busy"}}) == "Blender is busy."


async def test_a_cookie_of_one_users_server_goes_to_no_other(make_servers: MakeServers) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: mine=1; Path=/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    servers = make_servers(ScriptedHub([], [], []))
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for http in (servers.http, servers.http, servers.streams, servers.streams):
            await http.get(f"http://127.0.0.1:{port}/")
    assert len(seen) == 4
    assert not any(b"cookie" in request.lower() for request in seen)
