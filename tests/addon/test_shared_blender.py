"""Agents and a person share one Blender: deadlines, cancelling, modes, pause, restart; with a window and without."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import requests
from hypothesis import HealthCheck, given, seed, settings
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from tests.support.blenders import ObjectClient, RunningBlender, running_blender
from tests.support.mcp_client import mcp_client
from tests.support.rubbish import CONVERSATIONS, TOGETHER, send_in_pieces
from tests.support.waiting import wait_for, wait_for_async

ENDLESS = "x = 0\nwhile True:\n    x += 1"
STUCK = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2 ** 31 - 1)"  # half an hour in C
HANGING = "sum(range(10 ** 12))"  # hours in C, and no other Python thread runs meanwhile


@pytest.fixture(scope="module")
def windowed() -> Iterator[RunningBlender]:
    with running_blender() as blender:
        yield blender


@pytest.fixture(scope="module")
def headless() -> Iterator[RunningBlender]:
    with running_blender(P2M_BLENDER_MODE="headless") as blender:
        yield blender


@pytest.fixture(params=["windowed", "headless"])
def blender(request: pytest.FixtureRequest, failed: Callable[[], bool]) -> Iterator[RunningBlender]:
    running = request.getfixturevalue(request.param)
    yield running
    if failed():
        print(running.log())


@pytest.fixture
def client(blender: RunningBlender) -> Iterator[ObjectClient]:
    with blender.connect() as client:
        yield client


async def tool(blender: RunningBlender, name: str, **arguments: object) -> CallToolResult:
    async with mcp_client(f"{blender.url}p2m/mcp", blender.token) as client:
        return await client.call_tool(name, arguments)


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


def test_it_is_ready_with_a_desktop_or_without(windowed: RunningBlender, headless: RunningBlender):
    assert windowed.status()["ui"] == {"state": "ready"}
    assert headless.status()["ui"] == {"state": "off"}
    for blender, window in ((windowed, True), (headless, False)):
        with blender.connect() as client:
            assert client.call("get_status")["result"]["window"] is window
    assert "Xtigervnc" not in headless.exec("ps", "-eo", "comm")


def test_code_edits_the_scene_and_files_can_be_loaded(client: ObjectClient):
    client.run("bpy.ops.mesh.primitive_cube_add(location=(1, 2, 3)); bpy.context.object.name = 'Shared'")
    assert client.call("get_object_info", name="Shared")["result"]["location"] == [1.0, 2.0, 3.0]
    for code in (
        "bpy.ops.wm.save_as_mainfile(filepath='/tmp/x.blend'); bpy.ops.wm.open_mainfile(filepath='/tmp/x.blend')",
        "bpy.ops.wm.read_factory_settings()",
    ):
        client.run(code)
        assert client.call("get_scene_info")["status"] == "success"


def test_a_call_is_one_undo_step_with_the_tools_name(windowed: RunningBlender):
    with windowed.connect() as client:
        client.run("bpy.ops.mesh.primitive_cube_add(); bpy.context.object.name = 'Undone'")
        assert client.run("bpy.ops.ed.undo(); print('Undone' in bpy.data.objects)") == "False\n"
        client.run("import ctypes; bpy.context.window_manager.print_undo_steps(); ctypes.CDLL(None).fflush(None)")
        wait_for(lambda: "name='MCP: execute_blender_code'" in windowed.log(), 5, "the undo history in the log")


@pytest.mark.parametrize("code", [ENDLESS, "import time; time.sleep(3600)"], ids=["loop", "sleep"])
async def test_code_beyond_its_deadline_is_interrupted(blender: RunningBlender, code: str):
    began = time.monotonic()
    result = await tool(blender, "execute_blender_code", code=f"print('so far')\n{code}", timeout_s=3)
    assert time.monotonic() - began < 7
    assert result.is_error
    for part in ("did not finish within 3 s and was interrupted", "<blender_mcp>", "so far"):
        assert part in text(result)
    assert not (await tool(blender, "get_scene_info")).is_error


async def test_code_of_a_cancelled_call_is_interrupted(blender: RunningBlender):
    async with mcp_client(f"{blender.url}p2m/mcp", blender.token) as client:
        call = asyncio.create_task(client.call_tool("execute_blender_code", {"code": ENDLESS, "timeout_s": 600}))

        async def state() -> str:
            return str((await tool(blender, "get_blender_status")).structured_content["state"])

        async def is_busy() -> bool:
            return await state() == "busy"

        async def is_ready() -> bool:
            return await state() == "ready"

        await wait_for_async(is_busy, 10, "the code to run")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await wait_for_async(is_ready, 10, "the interrupt")


async def test_what_cannot_be_interrupted_is_told_to_all_at_once(windowed: RunningBlender):
    late = await tool(windowed, "execute_blender_code", code=STUCK, timeout_s=0.5)
    assert "cannot be interrupted" in text(late)
    began = time.monotonic()
    other = await tool(windowed, "get_scene_info")
    assert time.monotonic() - began < 2
    assert "busy with execute_code since 2" in text(other)
    assert "restart_blender" in text(other)
    status = (await tool(windowed, "get_blender_status")).structured_content
    assert (status["state"], status["overdue"]) == ("busy", True)
    await restart(windowed)


async def test_a_call_into_c_that_stops_all_of_python_is_told_as_well(headless: RunningBlender):
    assert (await tool(headless, "execute_blender_code", code=HANGING, timeout_s=0.5)).is_error
    began = time.monotonic()
    other = await tool(headless, "get_scene_info")
    assert time.monotonic() - began < 8
    assert "one operation that lets nothing else work" in text(other)
    assert "restart_blender" in text(other)
    assert (await tool(headless, "get_blender_status")).structured_content["state"] == "busy"
    await restart(headless)


async def restart(blender: RunningBlender) -> None:
    """Restart by the tool; calls in the meantime must be told, and work again afterwards."""
    pid = blender.status()["blender"]["pid"]
    restarting = asyncio.create_task(tool(blender, "restart_blender"))

    async def says_restarting() -> bool:
        answer = await tool(blender, "get_scene_info")
        return answer.is_error and "starting, try again in" in text(answer)

    await wait_for_async(says_restarting, 10, "an answer that names the restart", interval=0.05)
    restarted = await restarting
    assert not restarted.is_error, text(restarted)
    assert restarted.structured_content["seconds"] < 30
    assert blender.status()["blender"]["pid"] not in (0, pid)
    assert not (await tool(blender, "get_scene_info")).is_error


def test_a_restart_by_rest_needs_the_token(headless: RunningBlender):
    url = f"{headless.url}p2m/restart-blender"
    assert requests.post(url, timeout=10).status_code == 403
    assert requests.get(url, headers=headless.headers, timeout=10).status_code == 405
    answer = requests.post(url, headers=headless.headers, timeout=90)
    assert answer.status_code == 200, answer.text
    assert answer.json()["seconds"] > 0
    assert headless.pings()


def test_a_paused_blender_can_be_looked_at_only(windowed: RunningBlender):
    with windowed.connect() as client:
        client.run(
            "bpy.app.timers.register(lambda: bpy.ops.p2m.resume_agents() and None, first_interval=2)\n"
            "bpy.ops.p2m.pause_agents()"
        )
        refused = client.call("execute_code", code="print(1)")
        assert "A person has paused agents" in refused["message"]
        assert client.call("get_scene_info")["status"] == "success"
        wait_for(lambda: client.call("execute_code", code="pass")["status"] == "success", 10, "resume")


@pytest.mark.parametrize("panel", ["P2M_PT_server", "P2M_PT_clients"])
def test_the_panels_draw(windowed: RunningBlender, panel: str):
    with windowed.connect() as client:
        client.run(
            f"panel = bpy.types.{panel}\n"
            "original = panel.draw\n"
            "def draw(self, context):\n"
            "    original(self, context)\n"
            "    bpy.app.driver_namespace['drawn'] = panel.__name__\n"
            "panel.draw = draw\n"
            f"bpy.ops.wm.call_panel(name='{panel}')"
        )
        drawn = "print(bpy.app.driver_namespace.get('drawn'))"
        wait_for(lambda: client.run(drawn).strip() == panel, 10, "the panel to draw to its end")


async def test_the_mode_of_the_request_or_of_the_container_refuses(headless: RunningBlender):
    for mode, tool_name, words in (
        ("no-code", "execute_blender_code", "the mode here is no-code"),
        ("read-only", "execute_blender_code", "the mode here is read-only"),
        ("read-only", "restart_blender", "The mode here is read-only"),
        ("read-only", "start_render", "The mode here is read-only"),
    ):
        headers = headless.headers | {"X-P2M-Mode": mode}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(f"{headless.url}p2m/mcp", http_client=http)) as client,
        ):
            arguments = {"code": "print(1)"} if tool_name == "execute_blender_code" else {}
            result = await client.call_tool(tool_name, arguments)
            assert result.is_error
            assert words in text(result)
            assert not (await client.call_tool("get_scene_info", {})).is_error


def test_a_narrow_container_runs_no_code_whoever_asks():
    with running_blender(P2M_BLENDER_MODE="headless", P2M_MCP_MODE="no-code") as narrow, narrow.connect() as client:
        assert "the mode here is no-code" in client.call("execute_code", code="print(1)")["message"]
        assert client.call("get_scene_info")["status"] == "success"


@pytest.mark.parametrize(("window", "cases"), [(False, 1250), (True, 100)])
def test_blender_lives_on_after_thousands_of_conversations_of_rubbish(
    windowed: RunningBlender, headless: RunningBlender, window: bool, cases: int
):
    """Ten thousand without a window and 800 with one: each of eight clients has `cases` conversations."""
    blender = windowed if window else headless
    pid = blender.status()["blender"]["pid"]

    def talk_all(client: int) -> int:
        talks = 0

        @seed(client)
        @settings(max_examples=cases // TOGETHER, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(CONVERSATIONS)
        def talk(conversations: list[list[bytes]]) -> None:
            nonlocal talks
            for pieces in conversations:
                with blender.connect() as client:
                    send_in_pieces(client.socket, pieces)
                talks += 1

        talk()
        return talks

    with ThreadPoolExecutor(8) as clients:
        assert sum(clients.map(talk_all, range(8))) >= 8 * cases
    assert blender.pings()
    assert blender.status()["blender"]["pid"] == pid
