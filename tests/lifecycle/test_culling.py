"""The real idle-culler beside the real hub: who is stopped, who is not, and what is there after the next start."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser

from tests.support.browser import tab_of
from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for_async

VERSION = "2025-06-18"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "watcher", "version": "0"}},
}

START_S = 180
"""Seconds for the start of three servers at once on a machine that does other things too."""

IDLE_S = 15
SLOW = """
import bpy
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 65536
scene.cycles.use_adaptive_sampling = False
scene.cycles.use_denoising = False  # Debian's Blender cannot, and would end the render with an error
scene.render.threads_mode, scene.render.threads = "FIXED", 1
"""
"""Makes each render last for hours."""

PRESS_F12 = """
import bpy
def press():
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.render.render("INVOKE_DEFAULT")
bpy.app.timers.register(press, first_interval=0.5)
"""

ROUND_S = IDLE_S // 4
"""Seconds between two rounds of the culler."""


@pytest.fixture(scope="module")
def culling_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that stops idle servers sooner than it may be told to."""
    state = tmp_path_factory.mktemp("culling") / "state"
    configuration = str(Path(__file__).with_name("culling_hub_config.py"))
    command = (".venv/bin/jupyterhub", "-f", configuration)
    running = Hub(state, command, P2M_TEST_IDLE_S=str(IDLE_S), P2M_MCP_TIMEOUT="180").start()
    yield running
    running.down()


async def starts(hub: Hub, name: str) -> Person:
    person = await asyncio.to_thread(lambda: hub.person(name).sign_up().log_in())
    await has_started(person)
    return person


async def has_started(person: Person) -> None:
    await asyncio.to_thread(person.request_server)
    await wait_for_async(person.is_ready, START_S, f"server of {person.name}", interval=1)


def everybodys_url(person: Person) -> str:
    """The address for everybody, which agents use here: what counts as use must pass the gateway."""
    return f"{person.hub.url}/services/p2m/mcp"


async def run(person: Person, code: str) -> str:
    async with mcp_client(everybodys_url(person), person.token) as client:
        return text_of(await client.call_tool("execute_blender_code", {"code": code}))


@asynccontextmanager
async def looking_at(browser: Browser, person: Person) -> AsyncIterator[None]:
    """A browser with desktop and JupyterLab open, before which nobody sits; MCP streams on which nothing comes."""
    async with tab_of(browser, person) as page:
        await page.goto(person.server_url("blender/"))
        await page.locator("canvas").first.wait_for(timeout=60_000)
        lab = await page.context.new_page()
        await lab.goto(person.server_url("lab"))
        await lab.locator("#jp-main-dock-panel").wait_for(timeout=60_000)
        async with listening(person, person.mcp_url), listening(person, everybodys_url(person)):
            yield


@asynccontextmanager
async def listening(person: Person, url: str) -> AsyncIterator[None]:
    """An MCP session that waits for what the server says unasked."""
    headers = {"Authorization": f"Bearer {person.token}", "Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(60, read=None)) as http:
        session = (await http.post(url, json=HELLO)).headers["Mcp-Session-Id"]
        http.headers.update({"Mcp-Session-Id": session, "MCP-Protocol-Version": VERSION})
        async with http.stream("GET", url) as stream:
            assert stream.status_code == 200, stream.status_code
            yield


async def test_idle_servers_stop_and_those_at_work_do_not(culling_hub: Hub, browser: Browser):
    async def viewer() -> Person:
        """Has pages open and is not there; while an agent works, that is use, and afterwards it is not."""
        person = await starts(culling_hub, "viewer")
        working = asyncio.create_task(works(person))
        async with looking_at(browser, person):
            await asyncio.wait([working], timeout=1.5 * IDLE_S)
            assert servers(person), "stopped while an agent worked"
            assert not working.done(), working.exception()
            working.cancel()
            await wait_for_async(lambda: not servers(person), 5 * IDLE_S, "stop of the viewer's server", interval=1)
        return person

    async def works(person: Person) -> None:
        """An agent at work, until cancelled."""
        while True:
            await run(person, "import bpy; bpy.context.scene.name = 'Kept'")
            await asyncio.sleep(IDLE_S / 6)

    async def renderer() -> Person:
        """Leaves a render job, and goes."""
        person = await starts(culling_hub, "renderer")
        await run(person, SLOW)
        async with mcp_client(everybodys_url(person), person.token) as client:
            text_of(await client.call_tool("start_render", {"samples": 65536, "width": 1920, "height": 1080}))
        return await stays(person)

    async def painter() -> Person:
        """Presses F12 in the window, and goes."""
        person = await starts(culling_hub, "painter")
        await run(person, SLOW)
        await run(person, PRESS_F12)
        return await stays(person)

    async def stays(person: Person) -> Person:
        """Nobody asks this server anything for two limits, and it goes on.

        With little of a processor: a render would take half of the machine from other tests.
        """
        set_processors = person.container().update
        await asyncio.to_thread(set_processors, cpu_period=100_000, cpu_quota=10_000)
        end = now() + 2 * IDLE_S + ROUND_S
        while now() < end:
            assert servers(person), f"{person.name} was stopped at work"
            await asyncio.sleep(1)
        await asyncio.to_thread(set_processors, cpu_period=100_000, cpu_quota=200_000)
        return person

    seen, *at_work = await asyncio.gather(viewer(), renderer(), painter())
    told = [line for line in culling_hub.output().splitlines() if "Culling server" in line]
    print(*told, sep="\n")
    assert seen.name in told[0]
    assert len(told) == 1
    assert status(at_work[0])["jobs"][0]["state"] == "running"
    for person in at_work:
        await asyncio.to_thread(person.stop_server)
    await has_started(seen)
    assert "Kept" in await run(seen, "import bpy; print(bpy.context.scene.name)")


def now() -> float:
    return asyncio.get_running_loop().time()


def servers(person: Person) -> dict[str, Any]:
    return dict(person.api("GET", f"users/{person.name}").json()["servers"])


def status(person: Person) -> dict[str, Any]:
    answer = person.session.get(
        person.server_url("p2m/status"), headers={"Authorization": f"Bearer {person.token}"}, timeout=20
    )
    return dict(answer.json())
