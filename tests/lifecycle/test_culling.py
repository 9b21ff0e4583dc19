"""The real idle-culler beside the real hub: who is stopped, who is not, and what is there after the next start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from tests.support.browser import tab_of
from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for, wait_for_async

IDLE_S = 30
SLOW = """
import bpy
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 65536
scene.cycles.use_adaptive_sampling = False
"""
"""Makes each render last for hours."""

ROUND_S = 7
"""The culler's rounds, a quarter of the limit."""


@pytest.fixture(scope="module")
def culling_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that stops idle servers after half a minute."""
    state = tmp_path_factory.mktemp("culling") / "state"
    running = Hub(state, P2M_IDLE_TIMEOUT=str(IDLE_S), P2M_MCP_TIMEOUT="90").start()
    yield running
    running.down()


def starts(hub: Hub, name: str) -> Person:
    return hub.person(name).sign_up().log_in().start_server()


async def run(person: Person, code: str) -> str:
    async with mcp_client(person.mcp_url, person.token) as client:
        return text_of(await client.call_tool("execute_blender_code", {"code": code}))


@contextlib.asynccontextmanager
async def looking_at(person: Person) -> AsyncIterator[None]:
    """A browser with the person's desktop open, in which nobody moves; and an MCP stream on which nothing comes."""
    async with tab_of(person) as page:
        await page.goto(person.server_url("blender/"))
        await page.locator("canvas").first.wait_for(timeout=60_000)
        headers = {"Authorization": f"Bearer {person.token}", "Accept": "text/event-stream"}
        timeout = httpx2.Timeout(30, read=None)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
            http.stream("GET", person.mcp_url) as stream,
        ):
            print("an open MCP stream answers", stream.status_code)
            yield


async def test_idle_servers_stop_and_those_at_work_do_not(culling_hub: Hub):
    idle, viewer, agent, renderer, painter = (
        starts(culling_hub, name) for name in ("idle", "viewer", "agent", "renderer", "painter")
    )
    await run(idle, "import bpy; bpy.ops.mesh.primitive_torus_add(); bpy.context.object.name = 'Kept'")
    for person in (renderer, painter):
        await run(person, SLOW)
    async with mcp_client(renderer.mcp_url, renderer.token) as client:
        text_of(await client.call_tool("start_render", {"samples": 65536, "width": 1920, "height": 1080}))
    # F12 in the window of somebody who then goes away
    await run(
        painter,
        "import bpy\n"
        "def press_f12():\n"
        "    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):\n"
        "        bpy.ops.render.render('INVOKE_DEFAULT')\n"
        "bpy.app.timers.register(press_f12, first_interval=0.5)\n",
    )

    async def works() -> None:
        while True:
            await run(agent, "print(1)")
            await asyncio.sleep(5)

    async with looking_at(viewer):
        working = asyncio.create_task(works())
        try:
            for person in (idle, viewer):
                await wait_for_async(
                    lambda person=person: not servers(person), 5 * IDLE_S, f"stop of {person.name}", 1.0
                )
            # and one more limit for those who were busy all the time
            end = asyncio.get_running_loop().time() + IDLE_S + 2 * ROUND_S
            while asyncio.get_running_loop().time() < end:
                assert not working.done(), working
                assert [bool(servers(person)) for person in (agent, renderer, painter)] == [True] * 3
                await asyncio.sleep(1)
        finally:
            working.cancel()
    assert status(renderer)["jobs"][0]["state"] == "running"
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: "Culling server" in culling_hub.output(), 5, "the culler's words")
    print(*[line for line in culling_hub.output().splitlines() if "ulling" in line], sep="\n")

    renderer.stop_server()
    painter.stop_server()
    idle.start_server()
    assert "Kept" in await run(idle, "import bpy; print([o.name for o in bpy.data.objects])")


def servers(person: Person) -> dict[str, Any]:
    return dict(person.api("GET", f"users/{person.name}").json()["servers"])


def status(person: Person) -> dict[str, Any]:
    answer = person.session.get(
        person.server_url("p2m/status"), headers={"Authorization": f"Bearer {person.token}"}, timeout=20
    )
    return dict(answer.json())
