"""Many MCP clients at once on one person's Blender, through the hub's proxy."""

import asyncio
import time

import pytest
from mcp import Client

from tests.support.hub import Person
from tests.support.mcp_client import mcp_client, text_of

CLIENTS = 8
OBJECTS = 5
MODES = ("auto", "legacy")
"""The generations of the protocol: without sessions, and with the `initialize` handshake."""

BUSY_S = 6.0
BUSY = f"import time; print('busy'); end = time.monotonic() + {BUSY_S}\nwhile time.monotonic() < end: pass"


async def make_and_read(client: Client, number: int) -> None:
    """Make objects and read them back; every answer has to be about this client's own."""
    for step in range(OBJECTS):
        name = f"Of{number}Step{step}"
        code = f"item = bpy.data.objects.new({name!r}, None); item.location = ({number}, {step}, 0)\n"
        code += f"bpy.context.scene.collection.objects.link(item); print('made', {name!r})"
        made = await client.call_tool("execute_blender_code", {"code": code})
        assert text_of(made) and made.structured_content["result"] == f"made {name}\n"
        found = (await client.call_tool("get_object_info", {"name": name})).structured_content
        assert (found["name"], found["location"]) == (name, [number, step, 0])
        missing = await client.call_tool("get_object_info", {"name": f"Of{number}Missing{step}"})
        assert missing.is_error
        assert f"Of{number}Missing{step}" in missing.content[0].text


async def test_eight_clients_of_both_generations_each_get_their_own_answers(someone: Person):
    async def be_a_client(number: int) -> None:
        async with mcp_client(someone.mcp_url, someone.token, mode=MODES[number % len(MODES)]) as client:
            await all_connected.wait()
            await make_and_read(client, number)

    all_connected = asyncio.Barrier(CLIENTS)
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(be_a_client(number))
    async with mcp_client(someone.mcp_url, someone.token) as client:
        scene = (await client.call_tool("get_scene_info", {"limit": 1000})).structured_content
    names = {item["name"] for item in scene["objects"]}
    assert {f"Of{number}Step{step}" for number in range(CLIENTS) for step in range(OBJECTS)} <= names


@pytest.mark.parametrize("mode", MODES)
async def test_who_cancels_is_free_at_once_and_what_waited_never_runs(someone: Person, mode: str):
    """One client keeps Blender busy; a second waits behind it and gives up."""

    def call(client: Client, code: str) -> tuple[asyncio.Task, asyncio.Event]:
        """Begin a call; the event is set once the server says that it has waited for Blender for a second."""
        under_way = asyncio.Event()

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            if progress > 0:
                under_way.set()

        arguments = {"code": code}
        calling = client.call_tool("execute_blender_code", arguments, progress_callback=on_progress)
        return asyncio.create_task(calling), under_way

    name = f"Never{mode}"
    async with (
        asyncio.timeout(60),
        mcp_client(someone.mcp_url, someone.token, mode=mode) as busy,
        mcp_client(someone.mcp_url, someone.token, mode=mode) as impatient,
    ):
        long, is_working = call(busy, BUSY)
        await is_working.wait()
        queued, is_waiting = call(impatient, f"bpy.data.objects.new({name!r}, None)")
        await is_waiting.wait()
        began = time.monotonic()
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        assert (await impatient.list_tools()).tools
        freed_after = time.monotonic() - began
        assert not long.done(), "the first call was too short to show anything"
        assert "busy" in text_of(await long)
        answer = await impatient.call_tool("execute_blender_code", {"code": f"print({name!r} in bpy.data.objects)"})
        assert answer.structured_content["result"] == "False\n"
    print(f"free {freed_after * 1000:.0f} ms after cancelling")
    assert freed_after < BUSY_S / 2
