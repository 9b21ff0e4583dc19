"""Streams of MCP sessions that can be resumed: what is kept for whom, in which order, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from mcp.server.streamable_http import EventMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCResponse

from p2m_singleuser.mcp_server import resumption
from p2m_singleuser.mcp_server.resumption import KEPT_BYTES, KEPT_S, Kept, SessionEvents
from tests.support.clock import Clock
from tests.unit.singleuser_fakes import FakeBlender, serving_mcp


def said(text: str) -> JSONRPCMessage:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/message", params={"data": text})


def answer(text: str) -> JSONRPCMessage:
    return JSONRPCResponse(jsonrpc="2.0", id=1, result={"content": [{"type": "text", "text": text}]})


class Reader:
    """What a client is sent when it resumes."""

    def __init__(self) -> None:
        self.got: list[EventMessage] = []

    async def __call__(self, event: EventMessage) -> None:
        self.got.append(event)
        await asyncio.sleep(0)

    @property
    def texts(self) -> list[str]:
        return [event.message.params["data"] for event in self.got if isinstance(event.message, JSONRPCNotification)]


async def test_what_followed_on_the_same_stream_comes_once_and_in_order() -> None:
    events = SessionEvents(Kept())
    first = await events.store_event("1", None)
    await events.store_event("1", said("a"))
    await events.store_event("2", said("of another call"))
    seen = await events.store_event("1", said("b"))
    last = await events.store_event("1", answer("done"))
    reader = Reader()
    assert await events.replay_events_after(first, reader) == "1"
    assert reader.texts == ["a", "b"]
    assert reader.got[-1].event_id == last
    after = Reader()
    assert await events.replay_events_after(seen, after) == "1"
    assert [event.event_id for event in after.got] == [last]


async def test_what_comes_while_a_client_catches_up_is_sent_too() -> None:
    events = SessionEvents(Kept())
    first = await events.store_event("1", None)
    await events.store_event("1", said("a"))
    seen: list[str] = []

    async def slowly(event: EventMessage) -> None:
        seen.append(str(event.event_id))
        if len(seen) < 5:
            await events.store_event("1", said("meanwhile"))

    await events.replay_events_after(first, slowly)
    assert seen == ["2", "3", "4", "5", "6"]


async def test_sessions_whose_requests_have_the_same_ids_hear_only_their_own() -> None:
    kept = Kept()
    ada, bob = SessionEvents(kept), SessionEvents(kept)
    of_ada, of_bob = await ada.store_event("1", None), await bob.store_event("1", None)
    await ada.store_event("1", said("Ada's"))
    await bob.store_event("1", said("Bob's"))
    readers = [Reader(), Reader(), Reader()]
    await ada.replay_events_after(of_ada, readers[0])
    await bob.replay_events_after(of_bob, readers[1])
    assert await bob.replay_events_after(of_ada, readers[2]) is None, "not by the id of somebody else's event"
    assert [reader.texts for reader in readers] == [["Ada's"], ["Bob's"], []]


@pytest.mark.parametrize("event_id", ["99", "0", "-1", "x", "", "9" * 5000])
async def test_who_asks_for_what_is_not_there_gets_an_answer(event_id: str) -> None:
    events, reader = SessionEvents(Kept()), Reader()
    assert await events.replay_events_after(event_id, reader) is None
    (told,) = reader.got
    assert isinstance(told.message, JSONRPCError)
    assert "no longer kept" in told.message.error.message


async def test_events_are_forgotten_by_age_and_by_size() -> None:
    clock = Clock()
    kept = Kept(clock)
    events = SessionEvents(kept)
    old = await events.store_event("1", said("old"))
    clock.now += KEPT_S + 1
    for _ in range(3):
        await events.store_event("1", answer("x" * (KEPT_BYTES // 2)))
    assert kept.get(old) is None
    assert len(kept) == 1
    many = [await events.store_event(str(number), None) for number in range(100_000)]
    assert len(kept) <= KEPT_BYTES // resumption.OVERHEAD
    assert kept.get(many[-1]) is not None


@pytest.fixture
async def blender(tmp_path: Path) -> AsyncIterator[FakeBlender]:
    async with FakeBlender(tmp_path / "blender.sock") as fake, serving_mcp(tmp_path):
        yield fake


async def test_a_call_whose_connection_broke_goes_on_and_its_result_can_be_fetched(
    blender: FakeBlender, tmp_path: Path
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def execute_code(params: dict[str, str]) -> dict[str, object]:
        begun.set()
        await go_on.wait()
        return {"executed": True, "result": "worked for long"}

    blender.answers["execute_code"] = execute_code
    headers = {"Accept": "application/json, text/event-stream"}
    transport = httpx2.AsyncHTTPTransport(uds=str(tmp_path / "mcp.sock"))
    async with httpx2.AsyncClient(transport=transport, headers=headers, timeout=30) as http:
        url = "http://localhost/mcp"
        about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
        opened = await http.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
        http.headers["Mcp-Session-Id"] = opened.headers["Mcp-Session-Id"]
        http.headers["MCP-Protocol-Version"] = "2025-11-25"
        await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        call = {"name": "execute_blender_code", "arguments": {"code": "pass"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        async with http.stream("POST", url, json=message) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("id:"):
                    event_id = line[3:].strip()
                    break
            await asyncio.wait_for(begun.wait(), 10)
        go_on.set()
        async with http.stream("GET", url, headers={"Last-Event-ID": event_id}) as resumed:
            async for line in resumed.aiter_lines():
                if '"result"' in line:
                    break
        assert "worked for long" in line
