"""The one MCP address with real Blenders: woken by the real client, cancelled, killed, kept apart."""

import asyncio
import time
from typing import Any

import httpx2
import pytest
from mcp import MCPError

from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for, wait_for_async

from .conftest import Api

NAME_SCENE = "import bpy; bpy.context.scene.name = {0!r}; print(bpy.context.scene.name)"
WORK = "import time\nfor _ in range(600): time.sleep(0.1)"


def url(hub: Hub) -> str:
    return f"{hub.url}/services/p2m/mcp"


def somebody(hub: Hub, stem: str) -> Person:
    person = hub.person(stem)
    assert Api(hub).sign_up(person).status_code == 201
    return person.log_in()


def busy(person: Person) -> bool:
    status = person.session.get(
        person.server_url("p2m/status"), headers={"Authorization": f"Bearer {person.token}"}, timeout=10
    )
    return bool(status.json()["blender"]["state"] == "busy")


@pytest.fixture(scope="module")
def ada(hub: Hub) -> Person:
    return somebody(hub, "ada")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_connecting_wakes_blender_and_the_same_client_goes_on(hub: Hub, ada: Person, mode: str) -> None:
    if ada.api("GET", f"users/{ada.name}").json()["servers"]:
        await asyncio.to_thread(ada.stop_server)
    async with mcp_client(url(hub), ada.token, mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"get_scene_info", "execute_blender_code"} <= names
        said = text_of(await client.call_tool("execute_blender_code", {"code": NAME_SCENE.format(mode)}))
        assert mode in said


async def test_two_people_on_one_address_have_each_their_own_blender(hub: Hub, ada: Person) -> None:
    bob = somebody(hub, "bob")
    async with mcp_client(url(hub), ada.token) as adas, mcp_client(url(hub), bob.token) as bobs:
        for client, name in ((adas, "Adas"), (bobs, "Bobs")):
            await client.call_tool("execute_blender_code", {"code": NAME_SCENE.format(name)})
        scenes = [(await client.call_tool("get_scene_info", {})).structured_content for client in (adas, bobs)]
        assert [scene["name"] for scene in scenes] == ["Adas", "Bobs"]
    await asyncio.to_thread(bob.stop_server)


CHANGES = {"execute_blender_code", "restart_blender", "start_render", "delete_objects"}
"""Some tools that whoever may only look may not call; the first is all that `no-code` leaves out."""


@pytest.mark.parametrize("mode", ["no-code", "read-only"])
async def test_a_client_sees_the_tools_that_its_token_may_call(hub: Hub, ada: Person, mode: str) -> None:
    narrow = ada.api("POST", f"users/{ada.name}/tokens", json={"scopes": [f"custom:p2m:mcp:{mode}"]}).json()["token"]
    lists: list[set[str]] = []
    hidden = {"execute_blender_code"} if mode == "no-code" else CHANGES
    async with mcp_client(url(hub), ada.token) as client:
        everything = {tool.name for tool in (await client.list_tools()).tools}
    async with mcp_client(url(hub), narrow) as client:
        lists.append({tool.name for tool in (await client.list_tools()).tools})
        for name, arguments in (("execute_blender_code", {"code": "print(1)"}), ("get_scene_info", {})):
            refused = (await client.call_tool(name, arguments)).is_error
            assert refused is (name not in lists[0]), name
    async with mcp_client(ada.mcp_url, ada.token, headers={"X-P2M-Mode": mode}) as client:
        lists.append({tool.name for tool in (await client.list_tools()).tools})
    assert lists[0] == lists[1]
    assert everything >= CHANGES
    assert everything - lists[0] >= hidden
    assert (everything - lists[0] == hidden) is (mode == "no-code")
    api = Api(hub, narrow)
    assert api.post("connect").json()["num_tools"] == len(lists[0])
    assert api.get("user/session").json()["mcp"]["num_tools"] == len(lists[0])


async def test_progress_is_live_and_cancelling_interrupts_blender(hub: Hub, ada: Person) -> None:
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(time.monotonic())

    async with mcp_client(url(hub), ada.token) as client:
        await client.list_tools()
        call = asyncio.create_task(
            client.call_tool("execute_blender_code", {"code": WORK}, progress_callback=on_progress)
        )
        await wait_for_async(lambda: len(seen) >= 2, 60, "progress of a call that takes a minute")
        assert not call.done()
        assert await asyncio.to_thread(busy, ada)
        call.cancel()
        await wait_for_async(lambda: asyncio.to_thread(lambda: not busy(ada)), 20, "end of the interrupted code")
        assert "6" in text_of(await client.call_tool("execute_blender_code", {"code": "print(2 * 3)"}))


async def test_a_killed_container_is_started_again_by_the_next_call(hub: Hub, ada: Person) -> None:
    async with mcp_client(url(hub), ada.token) as client:
        await client.call_tool("execute_blender_code", {"code": NAME_SCENE.format("Kept")})
        container = ada.container()
        before = container.id
        container.kill()
        assert text_of(await client.call_tool("execute_blender_code", {"code": "print('here')"})).strip()
    assert ada.container().id != before


LONG = "import time\nfor _ in range(150): time.sleep(0.1)\nprint('went on')"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "0"}}


def message(number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def test_a_hub_that_restarts_during_calls_takes_nothing_away(hub: Hub, ada: Person) -> None:
    """A client with a session fetches its result afterwards; one without is told when to try again."""
    headers = {"Authorization": f"Bearer {ada.token}", "Accept": "application/json, text/event-stream"}
    told: list[str] = []

    async def on_progress(progress: float, total: float | None, text: str | None) -> None:
        told.append(str(text))

    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=60)) as http:
        opened = await http.post(url(hub), json=message(0, "initialize", HELLO))
        http.headers |= {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
        call = message(1, "tools/call", {"name": "execute_blender_code", "arguments": {"code": LONG}})
        async with mcp_client(url(hub), ada.token) as client, http.stream("POST", url(hub), json=call) as stream:
            lines = stream.aiter_lines()
            last = next(line.removeprefix("id: ") for line in [await anext(lines)] if line.startswith("id: "))
            other = asyncio.create_task(client.call_tool("get_scene_info", {}, progress_callback=on_progress))
            await wait_for_async(lambda: told, 20, "progress of the other call")
            assert await asyncio.to_thread(hub.interrupt) == 0
            with pytest.raises(MCPError, match="Try again in a minute"):
                await other
        await asyncio.to_thread(hub.start)
        async with http.stream("GET", url(hub), headers={"Last-Event-ID": last}) as resumed:
            assert resumed.is_success, await resumed.aread()
            answer = await anext(line async for line in resumed.aiter_lines() if '"result"' in line)
        assert "went on" in answer


async def test_a_call_counts_as_use_and_a_session_that_only_listens_does_not(hub: Hub, ada: Person) -> None:
    def used() -> Any:
        headers = {"Authorization": f"Bearer {ada.token}"}
        return ada.session.get(ada.server_url("api/status"), headers=headers, timeout=10).json()["last_activity"]

    async with mcp_client(url(hub), ada.token, mode="legacy") as client:
        await client.list_tools()
        before = await asyncio.to_thread(used)
        assert await asyncio.to_thread(used) == before
        await client.call_tool("get_scene_info", {})
        assert await asyncio.to_thread(used) > before


def test_the_audit_has_these_calls(hub: Hub, ada: Person) -> None:
    admin = Api(hub, hub.admin().token)

    def outcomes() -> set[str]:
        calls = admin.get("admin/audit", params={"user": ada.name}).json()["calls"]
        return {call["outcome"] for call in calls}

    wait_for(lambda: outcomes() >= {"ok", "cancelled"}, 10, "outcomes in the audit")
