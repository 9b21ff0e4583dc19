"""The MCP server on its unix socket, with the SDK's own client, in both generations of the protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import INVALID_PARAMS, CallToolResult, ImageContent, TextContent

from p2m_singleuser.mcp_server import MAX_REQUEST_BYTES
from p2m_singleuser.mcp_server import blender as blender_module
from p2m_singleuser.mcp_server.__main__ import listen
from p2m_singleuser.mcp_server.app import TOPICS
from tests.unit.singleuser_fakes import NUM_TOOLS, CommandFailed, FakeBlender, serving_mcp

SCENE = {
    "name": "Scene",
    "object_count": 1,
    "materials_count": 1,
    "objects": [{"name": "Cube", "type": "MESH", "location": [0.0, 0.0, 1.5]}],
    "match_count": 1,
    "offset": 0,
    "next_offset": None,
    "frame": {"current": 1, "start": 1, "end": 250, "step": 1, "fps": 24.0},
    "units": {"system": "METRIC", "metres_per_unit": 1.0, "length": "METERS", "rotation": "DEGREES"},
    "camera": None,
    "world": "World",
    "engine": "CYCLES",
    "resolution": [1920, 1080],
    "collections": ["Collection"],
    "file": None,
}
PNG = base64.b64encode(b"\x89PNG not really").decode()

SINGLEUSER_IMAGE = Path(__file__).parents[2] / "singleuser_image"

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
async def blender(tmp_path: Path) -> AsyncIterator[FakeBlender]:
    async with FakeBlender(tmp_path / "blender.sock") as fake:

        async def get_scene_info(params: dict[str, Any]) -> dict[str, Any]:
            return SCENE

        async def get_object_info(params: dict[str, Any]) -> dict[str, Any]:
            raise CommandFailed(f"Object not found: {params['name']}")

        async def get_viewport_screenshot(params: dict[str, Any]) -> dict[str, Any]:
            return {"image_base64": PNG, "width": params["max_size"], "height": 2}

        async def execute_code(params: dict[str, Any]) -> dict[str, Any]:
            return {"executed": True, "result": f"ran {len(params['code'])}\n"}

        fake.answers |= {
            "get_scene_info": get_scene_info,
            "get_object_info": get_object_info,
            "get_viewport_screenshot": get_viewport_screenshot,
            "execute_code": execute_code,
        }
        yield fake


@pytest.fixture
async def mcp_sock(tmp_path: Path) -> AsyncIterator[Path]:
    async with serving_mcp(tmp_path):
        yield tmp_path / "mcp.sock"


@pytest.fixture(params=["legacy", "auto"])
def connect(request: pytest.FixtureRequest, mcp_sock: Path) -> Connect:
    """Return what opens a client of one protocol generation: with the `initialize` handshake, or without."""

    @asynccontextmanager
    async def open_client(**options: Any) -> AsyncIterator[Client]:
        transport = over(mcp_sock)
        async with httpx2.AsyncClient(transport=transport, timeout=30) as http:
            streams = streamable_http_client("http://localhost/mcp", http_client=http, max_sse_event_size=None)
            async with Client(streams, mode=request.param, **options) as client:
                yield client

    return open_client


def over(path: Path) -> httpx2.AsyncHTTPTransport:
    return httpx2.AsyncHTTPTransport(uds=str(path))


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_the_socket_is_private_and_replaces_a_stale_one(tmp_path: Path) -> None:
    for _ in range(2):
        with contextlib.closing(listen(tmp_path / "mcp.sock")):
            assert stat.S_IMODE((tmp_path / "mcp.sock").stat().st_mode) == 0o600


async def test_the_program_serves_until_sigterm(tmp_path: Path) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "p2m_singleuser.mcp_server",
        env=os.environ | {"P2M_RUNTIME_DIR": str(tmp_path), "PYTHONPATH": str(SINGLEUSER_IMAGE)},
    )
    try:
        async with asyncio.timeout(30), httpx2.AsyncClient(transport=over(tmp_path / "mcp.sock")) as http:
            while True:
                with contextlib.suppress(httpx2.ConnectError):
                    reply = await http.get("http://localhost/status")
                    break
                await asyncio.sleep(0.05)
    finally:
        program.terminate()
        await asyncio.wait_for(program.wait(), 10)
    assert reply.json() == {"num_tools": NUM_TOOLS}


async def test_status_counts_the_tools(mcp_sock: Path) -> None:
    async with httpx2.AsyncClient(transport=over(mcp_sock)) as http:
        assert (await http.get("http://localhost/status")).json() == {"num_tools": NUM_TOOLS}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)],
)
async def test_a_foreign_host_or_origin_is_refused(mcp_sock: Path, headers: dict[str, str], status: int) -> None:
    async with httpx2.AsyncClient(transport=over(mcp_sock)) as http:
        reply = await http.post("http://localhost/mcp", json={}, headers=headers)
    assert reply.status_code == status


async def test_every_tool_says_what_it_is(connect: Connect) -> None:
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert client.server_info is not None
        assert client.server_info.name == "p2m-blender"
        assert "metres" in (client.instructions or "")
    assert len(tools) == NUM_TOOLS
    assert {"get_scene_info", "get_object_info", "get_viewport_screenshot", "execute_blender_code"} <= set(tools)
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.annotations is not None
        assert all("description" in field for field in tool.input_schema["properties"].values())
    reads = tools["get_scene_info"].annotations
    changes = tools["execute_blender_code"].annotations
    assert reads is not None
    assert changes is not None
    assert (reads.read_only_hint, reads.destructive_hint, reads.idempotent_hint) == (True, False, True)
    assert (changes.read_only_hint, changes.destructive_hint, changes.idempotent_hint) == (False, True, False)
    contents = {"get_viewport_screenshot", "get_file", "get_model"}
    for name in set(tools) - contents:
        schema = tools[name].output_schema
        assert schema is not None, name
        models = [schema, *schema.get("$defs", {}).values()]
        assert all("description" in field for model in models for field in model["properties"].values()), name


@pytest.mark.parametrize(
    ("header", "container", "needs"),
    [
        (None, None, {"full", "no-code", "read-only"}),
        ("no-code", None, {"no-code", "read-only"}),
        ("read-only", None, {"read-only"}),
        (None, "no-code", {"no-code", "read-only"}),
        ("no-code", "read-only", {"read-only"}),
        ("wide", None, {"read-only"}),
    ],
)
@pytest.mark.parametrize("generation", ["legacy", "auto"])
async def test_a_list_has_the_tools_that_may_be_called(
    mcp_sock: Path,
    monkeypatch: pytest.MonkeyPatch,
    generation: Any,
    header: str | None,
    container: str | None,
    needs: set[str],
) -> None:
    if container:
        monkeypatch.setenv("P2M_MCP_MODE", container)
    headers = {"X-P2M-Mode": header} if header else {}
    async with httpx2.AsyncClient(transport=over(mcp_sock), headers=headers, timeout=30) as http:
        streams = streamable_http_client("http://localhost/mcp", http_client=http)
        async with Client(streams, mode=generation) as client:
            listed = await client.list_tools()
        counted = (await http.get("http://localhost/status")).json()["num_tools"]
    expected = {name for topic in TOPICS for name, mode in topic.tools.needs.items() if mode in needs}
    assert {tool.name for tool in listed.tools} == expected
    assert ("execute_blender_code" in expected) == ("full" in needs)
    if header is None:
        assert counted == len(expected)
    if generation == "auto":
        assert (listed.cache_scope, listed.ttl_ms) == ("private", 0), "no list is kept for somebody else"


async def test_an_unknown_prompt_is_named(connect: Connect) -> None:
    async with connect() as client:
        with pytest.raises(MCPError, match="Unknown prompt: haiku") as caught:
            await client.get_prompt("haiku")
    assert caught.value.error.code == INVALID_PARAMS


async def test_scene_info_is_structured(blender: FakeBlender, connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("get_scene_info", {"limit": 5, "offset": 10})
    assert result.structured_content == SCENE
    assert blender.requests[-1]["params"].items() >= {"limit": 5, "offset": 10}.items()


async def test_a_screenshot_is_an_image(blender: FakeBlender, connect: Connect) -> None:
    async with connect() as client:
        (content,) = (await client.call_tool("get_viewport_screenshot", {"max_size": 400})).content
    assert isinstance(content, ImageContent)
    assert (content.mime_type, content.data) == ("image/png", PNG)
    assert blender.requests[-1]["params"] == {"max_size": 400, "view": "user", "shading": None, "turn": None}


async def test_a_failed_command_tells_what_to_do_next(blender: FakeBlender, connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("get_object_info", {"name": "Cubo"})
    assert result.is_error
    assert "Object not found: Cubo. list_objects gives the names" in text_of(result)


async def test_failed_code_brings_exception_traceback_and_output(blender: FakeBlender, connect: Connect) -> None:
    async def execute_code(_: dict[str, Any]) -> None:
        raise CommandFailed(
            "name 'cube' is not defined",
            type="NameError",
            traceback='  File "<code>", line 2, in <module>\n    cube.x = 1\n',
            output="step 1\n",
        )

    blender.answers["execute_code"] = execute_code
    async with connect() as client:
        result = await client.call_tool("execute_blender_code", {"code": "print('step 1')\ncube.x = 1"})
    assert result.is_error
    for part in ("NameError: name 'cube' is not defined", "line 2", "cube.x = 1", "step 1"):
        assert part in text_of(result)


async def test_without_blender_every_tool_says_try_again(blender: FakeBlender, connect: Connect) -> None:
    await blender.stop()
    async with connect() as client:
        result = await client.call_tool("get_scene_info", {})
        assert result.is_error
        assert "Blender is starting, try again in 3 s" in text_of(result)
        blender.path.unlink()
        async with FakeBlender(blender.path) as back:
            back.answers = blender.answers
            assert not (await client.call_tool("get_scene_info", {})).is_error


async def test_a_command_over_its_deadline_says_why_and_what_to_do(blender: FakeBlender, connect: Connect) -> None:
    async def overdue(_: dict[str, Any]) -> None:
        raise CommandFailed("Blender is still busy with a render", type="DeadlineExceeded")

    blender.answers["execute_code"] = overdue
    async with connect() as client:
        result = await client.call_tool("execute_blender_code", {"code": "render()", "timeout_s": 0.05})
    assert blender.requests[-1]["deadline_s"] == 0.05
    assert result.is_error
    assert "busy with a render. Look at the scene with get_scene_info" in text_of(result)


async def test_progress_arrives_while_blender_still_works(
    blender: FakeBlender, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blender_module, "HEARTBEAT_S", 0.01)
    heard: list[tuple[float, str | None]] = []
    third = asyncio.Event()

    async def held_until_the_client_heard(_: dict[str, Any]) -> dict[str, Any]:
        await third.wait()
        return {"executed": True, "result": "done"}

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))
        if len(heard) == 3:
            third.set()

    blender.answers["execute_code"] = held_until_the_client_heard
    async with connect() as client:
        async with asyncio.timeout(10):
            result = await client.call_tool("execute_blender_code", {"code": "work()"}, progress_callback=on_progress)
    assert not result.is_error
    assert heard[0] == (0, "Blender runs the code")
    assert heard[0][0] < heard[1][0] < heard[2][0]


async def test_a_cancelled_call_frees_the_next(blender: FakeBlender, connect: Connect) -> None:
    received = asyncio.Event()

    async def endless(_: dict[str, Any]) -> None:
        received.set()
        await asyncio.Event().wait()

    blender.answers["execute_code"] = endless
    async with connect() as client:
        call = asyncio.create_task(client.call_tool("execute_blender_code", {"code": "while True: pass"}))
        await received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(5):
            await blender.hung_up.wait()
        assert not (await client.call_tool("get_scene_info", {})).is_error


async def test_ten_megabytes_pass_both_ways(blender: FakeBlender, connect: Connect) -> None:
    async def echo(params: dict[str, Any]) -> dict[str, Any]:
        return {"executed": True, "result": params["code"]}

    blender.answers["execute_code"] = echo
    code = "#" * 10_000_000
    async with connect() as client:
        result = await client.call_tool("execute_blender_code", {"code": code})
    assert result.structured_content == {"executed": True, "result": code, "stderr": ""}


async def test_a_request_over_the_limit_gets_413(mcp_sock: Path) -> None:
    async with httpx2.AsyncClient(transport=over(mcp_sock)) as http:
        reply = await http.post("http://localhost/mcp", content=b" " * (MAX_REQUEST_BYTES + 1))
    assert reply.status_code == 413
