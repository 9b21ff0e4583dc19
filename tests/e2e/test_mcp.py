"""MCP through the hub's proxy: the real client of the SDK against a user's own endpoint."""

import asyncio
import base64
import json
import time

import pytest
import requests

from tests.support.hub import Hub, Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.pictures import colours, open_png

ADD_CUBE = "import bpy; bpy.ops.mesh.primitive_cube_add(location=(1, 2, 3)); bpy.context.object.name = 'Marker'"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_add_an_object_read_it_back_and_look(someone: Person, mode: str):
    async with mcp_client(someone.mcp_url, someone.token, mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"get_scene_info", "get_object_info", "get_viewport_screenshot", "execute_blender_code"} <= names
        text_of(await client.call_tool("execute_blender_code", {"code": ADD_CUBE}))
        scene = await client.call_tool("get_scene_info", {})
        assert any(item["name"].startswith("Marker") for item in scene.structured_content["objects"])
        found = await client.call_tool("get_object_info", {"name": "Marker"})
        assert found.structured_content["location"] == [1, 2, 3]
        shot = await client.call_tool("get_viewport_screenshot", {})
        image = next(part for part in shot.content if part.type == "image")
        assert image.mime_type == "image/png"
        assert colours(open_png(base64.b64decode(image.data))) > 200


async def test_progress_arrives_while_the_tool_runs(someone: Person):
    """The first event has to come well before the answer: a proxy that buffers would give both at once."""
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(time.monotonic())

    async with mcp_client(someone.mcp_url, someone.token) as client:
        began = time.monotonic()
        result = await client.call_tool(
            "execute_blender_code",
            {"code": "import time; time.sleep(4); print('slept')"},
            progress_callback=on_progress,
        )
        ended = time.monotonic()
    assert "slept" in text_of(result)
    assert seen, "no progress event at all"
    print(f"first event after {seen[0] - began:.2f} s, answer after {ended - began:.2f} s, {len(seen)} events")
    assert seen[0] - began < (ended - began) / 2


async def test_the_first_byte_of_a_stream_is_sent_before_the_answer(someone: Person):
    """The same on the wire, where no client library can tidy up."""
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "execute_blender_code",
            "arguments": {"code": "import time; time.sleep(4)"},
            "_meta": {"progressToken": "p"},
        },
    }
    async with mcp_client(someone.mcp_url, someone.token):
        pass  # warm

    def times() -> tuple[float, float]:
        headers = {
            "Authorization": f"Bearer {someone.token}",
            "Accept": "application/json, text/event-stream",
        }
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client}
        opened = requests.post(someone.mcp_url, json=hello, headers=headers, timeout=30)
        assert opened.ok, opened.text
        if session := opened.headers.get("mcp-session-id"):
            headers["mcp-session-id"] = session
        headers["mcp-protocol-version"] = "2025-06-18"
        requests.post(
            someone.mcp_url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers, timeout=30
        )
        began = time.monotonic()
        with requests.post(someone.mcp_url, json=call, headers=headers, timeout=60, stream=True) as answer:
            assert answer.ok, answer.text
            chunks = [(time.monotonic() - began, chunk) for chunk in answer.iter_content(None)]
        assert b"progress" in b"".join(chunk for _, chunk in chunks)
        return chunks[0][0], chunks[-1][0]

    first, last = await asyncio.to_thread(times)
    print(f"first byte after {first:.2f} s, last after {last:.2f} s")
    assert first < last / 2


@pytest.mark.parametrize(
    ("code", "tells"),
    [
        ("1/0", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def broken(:", "SyntaxError"),
    ],
)
async def test_code_that_ends_badly_is_an_error_result_and_blender_lives(someone: Person, code: str, tells: str):
    async with mcp_client(someone.mcp_url, someone.token) as client:
        result = await client.call_tool("execute_blender_code", {"code": code})
        assert result.is_error
        assert tells in "".join(part.text for part in result.content if part.type == "text")
        assert "6" in text_of(await client.call_tool("execute_blender_code", {"code": "print(2 * 3)"}))


async def test_ten_megabytes_of_output_do_not_hang_anything(someone: Person):
    async with mcp_client(someone.mcp_url, someone.token) as client:
        result = await client.call_tool("execute_blender_code", {"code": "print('x' * 10_000_000)"})
        assert "xxx" in text_of(result)
        assert "6" in text_of(await client.call_tool("execute_blender_code", {"code": "print(2 * 3)"}))


LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def test_the_proxied_mcp_port_serves_plain_clients_under_any_host_name(someone: Person):
    headers = {**ACCEPT, "Authorization": f"Bearer {someone.token}", "Host": "hub.example.org"}
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client}
    for path in ("blender-mcp/mcp", "p2m/mcp"):
        answer = requests.post(someone.server_url(path), json=hello, headers=headers, timeout=30)
        assert answer.status_code == 200, (path, answer.text)


def test_no_token_is_401_with_a_challenge(someone: Person):
    answer = requests.post(someone.mcp_url, json=LIST, headers=ACCEPT, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["nonsense", "", "é"])
def test_a_wrong_token_is_401_with_a_challenge(someone: Person, token: str):
    headers = {**ACCEPT, "Authorization": f"Bearer {token}".encode()}
    answer = requests.post(someone.mcp_url, json=LIST, headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_another_users_token_is_403(someone: Person, hub: Hub):
    stranger = hub.person("eve").sign_up().log_in()
    headers = {**ACCEPT, "Authorization": f"Bearer {stranger.token}"}
    answer = requests.post(someone.mcp_url, json=LIST, headers=headers, timeout=10)
    assert answer.status_code == 403


def test_a_token_in_the_url_or_a_cookie_does_not_open_it(someone: Person):
    answer = requests.post(f"{someone.mcp_url}?token={someone.token}", json=LIST, headers=ACCEPT, timeout=10)
    assert answer.status_code == 401
    someone.session.get(someone.server_url("p2m/status"), timeout=30)
    assert someone.session.post(someone.mcp_url, json=LIST, headers=ACCEPT, timeout=10).status_code == 401


def test_a_foreign_origin_is_refused(someone: Person):
    headers = {**ACCEPT, "Authorization": f"Bearer {someone.token}", "Origin": "https://evil.example"}
    assert requests.post(someone.mcp_url, json=LIST, headers=headers, timeout=10).status_code == 403


def test_status_is_the_documented_one(someone: Person):
    headers = {"Authorization": f"Bearer {someone.token}"}
    status = requests.get(someone.server_url("p2m/status"), headers=headers, timeout=10).json()
    assert status["ready"] is True
    assert set(status["blender"]) == {"state", "version", "pid", "file", "restarts", "reason"}
    assert status["blender"]["state"] == "ready"
    assert status["blender"]["version"].startswith("4.3")
    assert status["mcp"] == {"state": "ready", "num_tools": status["mcp"]["num_tools"]}
    assert status["mcp"]["num_tools"] >= 4
    assert status["ui"] == {"state": "ready"}
    assert status["jobs"] == []


def test_a_body_over_the_limit_is_refused_with_a_sentence(someone: Person):
    headers = {**ACCEPT, "Authorization": f"Bearer {someone.token}", "Content-Type": "application/json"}
    body = json.dumps({**LIST, "params": {"x": "y" * 20_000_000}})
    answer = requests.post(someone.mcp_url, data=body, headers=headers, timeout=30)
    assert answer.status_code == 413
    assert "large" in answer.text.lower() or "limit" in answer.text.lower()
