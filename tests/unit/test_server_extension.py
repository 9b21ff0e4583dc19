"""The Jupyter Server extension in a real single-user server: status, and the MCP route with the SDK's own client."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from p2m_singleuser.jobs import Job, JobStore, Process, Request
from p2m_singleuser.mcp_server import MAX_REQUEST_BYTES
from p2m_singleuser.modes import narrowest, why_no_change
from p2m_singleuser.status import StatusProbe, is_listening
from tests.support.ports import free_port
from tests.unit.singleuser_fakes import NUM_TOOLS, FakeBlender, serving_mcp

REPOSITORY = Path(__file__).parents[2]
ACCESS = "access:servers!server=ada/"
ADAS = "adas-token"
SERVERS_OWN = "servers-own-token"
HUB_IS_ILL = "a-token-the-hub-fails-on"
TOKENS = {
    ADAS: {"name": "ada", "kind": "user", "scopes": ["access:servers!user=ada"]},
    SERVERS_OWN: {"name": "ada", "kind": "user", "scopes": [ACCESS]},
    "bobs-token": {"name": "bob", "kind": "user", "scopes": ["access:servers!user=bob"]},
}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@dataclass(frozen=True)
class Jupyter:
    """A running Jupyter server, and where it expects Blender's sockets."""

    url: str
    runtime: Path

    @property
    def mcp(self) -> str:
        return f"{self.url}p2m/mcp"


class _HubApi(http.server.BaseHTTPRequestHandler):
    """As much of JupyterHub's API as a single-user server asks for."""

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("token ")
        if not self.path.endswith("/user"):
            self._reply(200, {"version": "6.1.1"})
        elif token == HUB_IS_ILL:
            self._reply(500, {"message": "database"})
        elif token in TOKENS:
            self._reply(200, TOKENS[token])
        else:
            self._reply(403, {"message": "no"})

    def do_POST(self) -> None:
        self._reply(200, {})

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def running(home: Path, base: str, port: int, command: list[str], **environment: str) -> Iterator[Jupyter]:
    """Run a Jupyter server with the extension until the block ends."""
    config = home / "config" / "jupyter_server_config.d"
    config.mkdir(parents=True)
    (config / "p2m.json").write_text('{"ServerApp": {"jpserver_extensions": {"p2m_singleuser": true}}}')
    runtime = home / "run"
    runtime.mkdir()
    environment = {name: value for name, value in os.environ.items() if "JUPYTER" not in name} | {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "P2M_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": str(REPOSITORY / "singleuser_image"),
        **environment,
    }
    log = home / "jupyter.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, cwd=home, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}{base}"
        deadline = time.monotonic() + 60
        while not _answers(f"{url}api"):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Jupyter(url, runtime)
    finally:
        process.terminate()
        process.wait(10)
        print(log.read_text())


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own loopback
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def hub_api() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _HubApi)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hub/api"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def singleuser(tmp_path_factory: pytest.TempPathFactory, hub_api: str) -> Iterator[Jupyter]:
    """`jupyterhub-singleuser` of the user ada."""
    port = free_port()
    with running(
        tmp_path_factory.mktemp("singleuser"),
        "/user/ada/",
        port,
        ["jupyterhub.singleuser", "--allow-root"],
        JUPYTERHUB_API_TOKEN=SERVERS_OWN,
        JUPYTERHUB_API_URL=hub_api,
        JUPYTERHUB_ACTIVITY_URL=f"{hub_api}/users/ada/activity",
        JUPYTERHUB_CLIENT_ID="jupyterhub-user-ada",
        JUPYTERHUB_OAUTH_ACCESS_SCOPES=json.dumps([ACCESS, "access:servers!user=ada"]),
        JUPYTERHUB_SERVICE_PREFIX="/user/ada/",
        JUPYTERHUB_SERVICE_URL=f"http://127.0.0.1:{port}/user/ada/",
        JUPYTERHUB_USER="ada",
    ) as jupyter:
        yield jupyter


@pytest.fixture(scope="module")
def without_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """Plain `jupyter server` with a token."""
    port = free_port()
    options = [f"--ServerApp.port={port}", "--IdentityProvider.token=local-token", "--no-browser", "--allow-root"]
    with running(tmp_path_factory.mktemp("local"), "/", port, ["jupyter_server", *options]) as jupyter:
        yield jupyter


@pytest.fixture
async def blender(singleuser: Jupyter) -> AsyncIterator[FakeBlender]:
    async with FakeBlender(singleuser.runtime / "blender.sock") as fake:

        async def execute_code(params: dict[str, Any]) -> dict[str, Any]:
            return {"executed": True, "result": params["code"]}

        fake.answers["execute_code"] = execute_code
        yield fake


@pytest.fixture
async def desktop(singleuser: Jupyter) -> AsyncIterator[None]:
    async with await asyncio.start_unix_server(lambda *_: None, singleuser.runtime / "vnc.sock"):
        yield


@pytest.fixture
async def mcp(singleuser: Jupyter, blender: FakeBlender) -> AsyncIterator[None]:
    async with serving_mcp(singleuser.runtime):
        yield


@pytest.fixture
async def http_client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=30) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def connected(jupyter: Jupyter, mode: Any, token: str = ADAS, **headers: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=bearer(token) | headers, timeout=30) as http:
        streams = streamable_http_client(jupyter.mcp, http_client=http, max_sse_event_size=None)
        async with Client(streams, mode=mode) as client:
            yield client


generations = pytest.mark.parametrize("mode", ["legacy", "auto"])


# --- status -----------------------------------------------------------------------------------------------------------


async def test_status_is_ready_when_all_three_are(
    singleuser: Jupyter, blender: FakeBlender, mcp: None, desktop: None, http_client: httpx2.AsyncClient
) -> None:
    reply = await http_client.get(f"{singleuser.url}p2m/status", headers=bearer(SERVERS_OWN))
    status = reply.json()
    assert status.pop("memory")["used_bytes"] > 0
    assert status.pop("cpu").keys() == {"used_seconds", "limit_cores"}
    assert status == {
        "ready": True,
        "blender": {"state": "ready", "version": "4.3.2", "pid": 42, "file": None, "restarts": 0, "reason": None},
        "mcp": {"state": "ready", "num_tools": NUM_TOOLS},
        "ui": {"state": "ready"},
        "jobs": [],
    }


@pytest.mark.parametrize("headers", [{}, bearer("bobs-token"), bearer("made-up")])
async def test_status_is_for_those_who_may_use_the_server(
    singleuser: Jupyter, http_client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await http_client.get(f"{singleuser.url}p2m/status", headers=headers)).status_code == 403


async def test_before_anything_runs_blender_is_starting(tmp_path: Path) -> None:
    status = await StatusProbe(tmp_path).read()
    assert status.pop("memory").keys() == {"used_bytes", "limit_bytes"}
    assert status.pop("cpu").keys() == {"used_seconds", "limit_cores"}
    assert status == {
        "ready": False,
        "blender": {"state": "starting", "version": "", "pid": 0, "file": None, "restarts": 0, "reason": None},
        "mcp": {"state": "down", "num_tools": 0},
        "ui": {"state": "down"},
        "jobs": [],
    }


@pytest.mark.parametrize(("failed", "state"), [(False, "restarting"), (True, "failed")])
async def test_after_an_exit_status_says_why(tmp_path: Path, failed: bool, state: str) -> None:
    exits = {"restarts": 2, "failed": failed, "reason": "killed by signal 11"}
    (tmp_path / "blender-exits.json").write_text(json.dumps(exits))
    blender = (await StatusProbe(tmp_path).read())["blender"]
    assert (blender["state"], blender["restarts"], blender["reason"]) == (state, 2, "killed by signal 11")


async def test_a_half_written_exit_file_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "blender-exits.json").write_text('{"restarts": 1, "fai')
    assert (await StatusProbe(tmp_path).read())["blender"]["state"] == "starting"


async def test_a_busy_blender_says_with_what(tmp_path: Path) -> None:
    async def busy(_: dict[str, Any]) -> dict[str, Any]:
        return {"state": "busy", "busy_with": "execute_code", "version": "4.3.2", "pid": 7, "file": "/home/a.blend"}

    async with FakeBlender(tmp_path / "blender.sock") as fake:
        fake.answers["get_status"] = busy
        blender = (await StatusProbe(tmp_path).read())["blender"]
    assert blender == {
        "state": "busy",
        "version": "4.3.2",
        "pid": 7,
        "file": "/home/a.blend",
        "restarts": 0,
        "reason": "Blender is busy with execute_code",
    }


async def test_a_blender_that_has_not_run_its_loop_yet_is_starting(tmp_path: Path) -> None:
    async def starting_up(_: dict[str, Any]) -> dict[str, Any]:
        return {"state": "busy", "busy_with": "starting up", "version": "4.3.2", "pid": 7, "file": None}

    async with FakeBlender(tmp_path / "blender.sock") as fake:
        fake.answers["get_status"] = starting_up
        status = await StatusProbe(tmp_path).read()
    assert (status["blender"]["state"], status["blender"]["reason"], status["ready"]) == ("starting", None, False)


async def test_a_blender_that_stops_answering_is_busy_then_restarting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2m_singleuser.status.PROBE_S", 0.05)

    async def never(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    probe = StatusProbe(tmp_path)
    async with FakeBlender(tmp_path / "blender.sock") as fake:
        usual = fake.answers["get_status"]
        fake.answers["get_status"] = never
        assert (await probe.read())["blender"]["state"] == "starting"
        fake.answers["get_status"] = usual
        assert (await probe.read())["blender"]["state"] == "ready"
        fake.answers["get_status"] = never
        blender = (await probe.read())["blender"]
        assert (blender["state"], blender["pid"]) == ("busy", 42)
    blender = (await probe.read())["blender"]
    assert (blender["state"], blender["version"], blender["pid"]) == ("restarting", "4.3.2", 0)


async def test_a_long_silence_says_how_long_and_is_not_called_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2m_singleuser.status.PROBE_S", 0.05)

    async def never(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    now = [0.0]
    probe = StatusProbe(tmp_path, clock=lambda: now[0])
    async with FakeBlender(tmp_path / "blender.sock") as fake:
        await probe.read()
        now[0] = 3600.0  # nobody asked meanwhile
        fake.answers["get_status"] = never
        await probe.read()
        now[0] += 500.0
        blender = (await probe.read())["blender"]
    assert (blender["state"], blender["reason"]) == ("busy", "Blender is in one long operation, for 500 s so far")


async def test_a_blender_that_runs_and_never_answers_is_called_failed_until_it_does(tmp_path: Path) -> None:
    now = [0.0]
    probe = StatusProbe(tmp_path, clock=lambda: now[0])
    assert (await probe.read())["blender"]["state"] == "starting"
    now[0] = 121.0
    blender = (await probe.read())["blender"]
    assert (blender["state"], blender["reason"]) == ("failed", "Blender was started and has not answered for 121 s")
    (tmp_path / "blender-exits.json").write_text('{"restarts": 1, "failed": false, "reason": "killed by SIGABRT"}')
    assert (await probe.read())["blender"]["state"] == "restarting", "another start, another two minutes"
    async with FakeBlender(tmp_path / "blender.sock"):
        assert (await probe.read())["blender"]["state"] == "ready"


async def test_a_socket_file_without_a_listener_is_not_listening(tmp_path: Path) -> None:
    path = tmp_path / "vnc.sock"
    async with await asyncio.start_unix_server(lambda *_: None, path):
        assert is_listening(path)
    path.touch()
    assert not is_listening(path)


# --- who may use the MCP route ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "challenge", "sentence"),
    [
        ({}, 401, 'Bearer realm="p2m"', "needs an API token"),
        ({"Cookie": "jupyterhub-user-ada=adas-token"}, 401, 'Bearer realm="p2m"', "needs an API token"),
        ({"Authorization": "Basic YTpi"}, 401, 'Bearer realm="p2m"', "needs an API token"),
        (bearer("made-up"), 401, 'Bearer realm="p2m", error="invalid_token"', "unknown or has expired"),
        (bearer("bobs-token"), 403, 'Bearer realm="p2m", error="insufficient_scope"', "bob gives no access"),
        (bearer(ADAS) | {"Origin": "https://evil.example"}, 403, None, "evil.example"),
        (bearer(ADAS) | {"Origin": "null"}, 403, None, "may not use"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_who_is_refused(
    singleuser: Jupyter,
    mcp: None,
    http_client: httpx2.AsyncClient,
    method: str,
    headers: dict[str, str],
    status: int,
    challenge: str | None,
    sentence: str,
) -> None:
    reply = await http_client.request(method, singleuser.mcp, headers=headers)
    assert reply.status_code == status
    assert reply.headers.get("WWW-Authenticate") == challenge
    assert sentence in reply.json()["error"]["message"]


async def test_a_hub_that_cannot_check_tokens_is_503(singleuser: Jupyter, http_client: httpx2.AsyncClient) -> None:
    reply = await http_client.post(singleuser.mcp, json=LIST_TOOLS, headers=bearer(HUB_IS_ILL))
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")
    assert "hub cannot check the token" in reply.json()["error"]["message"]


async def test_a_token_in_the_address_opens_nothing(
    singleuser: Jupyter, mcp: None, http_client: httpx2.AsyncClient
) -> None:
    reply = await http_client.post(f"{singleuser.mcp}?token=adas-token", json=LIST_TOOLS)
    assert reply.status_code == 401


async def test_preflight_gets_405(singleuser: Jupyter, http_client: httpx2.AsyncClient) -> None:
    reply = await http_client.options(singleuser.mcp, headers={"Origin": "https://evil.example"})
    assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, POST, DELETE")


@pytest.mark.parametrize("token", [ADAS, SERVERS_OWN])
@generations
async def test_tokens_with_access_open_it(singleuser: Jupyter, mcp: None, mode: str, token: str) -> None:
    async with connected(singleuser, mode, token) as client:
        assert len((await client.list_tools()).tools) == NUM_TOOLS


async def test_a_page_of_the_same_origin_may_use_it(singleuser: Jupyter, mcp: None) -> None:
    origin = singleuser.url.removesuffix("/user/ada/")
    async with connected(singleuser, "auto", Origin=origin) as client:
        assert len((await client.list_tools()).tools) == NUM_TOOLS


@generations
async def test_without_a_hub_the_servers_own_token_opens_it(
    without_hub: Jupyter, http_client: httpx2.AsyncClient, mode: str
) -> None:
    for headers in ({}, bearer("wrong")):
        assert (await http_client.post(without_hub.mcp, json=LIST_TOOLS, headers=headers)).status_code == 401
    async with serving_mcp(without_hub.runtime), connected(without_hub, mode, "local-token") as client:
        assert len((await client.list_tools()).tools) == NUM_TOOLS


# --- renders ----------------------------------------------------------------------------------------------------------


async def test_status_lists_the_renders_that_wait_or_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = JobStore()
    request = Request("cycles", 16, 640, 480, 1, 4, 1, "png", str(tmp_path / "renders/x"))
    waiting, running, ended = (
        Job(id=store.new_id(created_at), kind="animation", request=request, created_at=created_at)
        for created_at in (3.0, 2.0, 1.0)
    )
    store.save(waiting)
    store.save(running.begun(Process(1, "then"), 60.0))
    store.save(ended.ended("cancelled", 60.0))
    store.path(running.id, "progress.json").write_text('{"frame": 2, "frames_done": 1, "share": 0.5}')
    assert (await StatusProbe(tmp_path).read())["jobs"] == [
        {
            "id": running.id,
            "state": "running",
            "kind": "animation",
            "progress": 0.375,
            "frame": 2,
            "started_at": "1970-01-01T00:01:00.000+00:00",
        },
        {"id": waiting.id, "state": "queued", "kind": "animation", "progress": 0, "frame": None, "started_at": None},
    ]


# --- what passes through it -------------------------------------------------------------------------------------------


@generations
async def test_progress_arrives_while_blender_still_works(
    singleuser: Jupyter, blender: FakeBlender, mcp: None, mode: str
) -> None:
    heard = asyncio.Event()

    async def held_until_the_client_heard(_: dict[str, Any]) -> dict[str, Any]:
        await heard.wait()
        return {"executed": True, "result": "done"}

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.set()

    blender.answers["execute_code"] = held_until_the_client_heard
    async with asyncio.timeout(10), connected(singleuser, mode) as client:
        result = await client.call_tool("execute_blender_code", {"code": "work()"}, progress_callback=on_progress)
    assert not result.is_error


@generations
async def test_a_cancelled_call_reaches_blender(
    singleuser: Jupyter, blender: FakeBlender, mcp: None, mode: str
) -> None:
    received = asyncio.Event()

    async def endless(_: dict[str, Any]) -> None:
        received.set()
        await asyncio.Event().wait()

    blender.answers["execute_code"] = endless
    async with connected(singleuser, mode) as client:
        call = asyncio.create_task(client.call_tool("execute_blender_code", {"code": "while True: pass"}))
        await received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(5):
            await blender.hung_up.wait()
        assert len((await client.list_tools()).tools) == NUM_TOOLS


@generations
async def test_ten_megabytes_pass_both_ways(singleuser: Jupyter, blender: FakeBlender, mcp: None, mode: str) -> None:
    code = "#" * 10_000_000
    async with connected(singleuser, mode) as client:
        result = await client.call_tool("execute_blender_code", {"code": code})
    assert result.structured_content is not None
    assert result.structured_content["result"] == code


async def test_a_request_over_the_limit_gets_413(
    singleuser: Jupyter, mcp: None, http_client: httpx2.AsyncClient
) -> None:
    body = b" " * (MAX_REQUEST_BYTES + 1)
    reply = await http_client.post(singleuser.mcp, content=body, headers=bearer(ADAS))
    assert reply.status_code == 413
    assert "larger than 16 MiB" in reply.json()["error"]["message"]


async def test_without_the_mcp_server_clients_read_when_to_try_again(
    singleuser: Jupyter, http_client: httpx2.AsyncClient
) -> None:
    reply = await http_client.post(singleuser.mcp, json=LIST_TOOLS, headers=bearer(ADAS))
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")
    assert reply.json()["jsonrpc"] == "2.0"
    with pytest.RaisesGroup(pytest.RaisesExc(MCPError, match="MCP server is starting"), flatten_subgroups=True):
        async with connected(singleuser, "legacy"):
            pass


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
    ],
)
async def test_an_mcp_server_that_dies_in_a_call_ends_it_with_a_sentence(
    singleuser: Jupyter, http_client: httpx2.AsyncClient, said: bytes, status: int
) -> None:
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'"tools/list"}')
        writer.write(said)
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(die, singleuser.runtime / "mcp.sock"):
        reply = await http_client.post(singleuser.mcp, json=LIST_TOOLS, headers=bearer(ADAS))
    assert reply.status_code == status
    message = json.loads(reply.text.partition("data: ")[2] or reply.text)
    assert message["id"] == (1 if status == 200 else None)
    assert "ended before it answered" in message["error"]["message"]


async def test_the_mcp_server_sees_no_credentials(singleuser: Jupyter, http_client: httpx2.AsyncClient) -> None:
    seen: list[str] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 202 Accepted\r\nMcp-Session-Id: s1\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    headers = bearer(ADAS) | {"Cookie": "c=d", "Mcp-Session-Id": "s1", "X-Forwarded-For": "1.2.3.4"}
    async with await asyncio.start_unix_server(record, singleuser.runtime / "mcp.sock"):
        reply = await http_client.post(f"{singleuser.mcp}?token=secret", json=LIST_TOOLS, headers=headers)
    assert (reply.status_code, reply.headers["Mcp-Session-Id"]) == (202, "s1")
    assert "Set-Cookie" not in reply.headers
    (request,) = seen
    assert request.startswith("post /mcp http/1.1")
    assert "host: localhost" in request
    assert "mcp-session-id: s1" in request
    for secret in ("authorization", "cookie", "adas-token", "secret", "x-forwarded"):
        assert secret not in request


async def test_calls_count_as_activity_and_status_polls_do_not(
    singleuser: Jupyter, mcp: None, http_client: httpx2.AsyncClient
) -> None:
    async def last_activity() -> str:
        reply = await http_client.get(f"{singleuser.url}api/status", headers=bearer(ADAS))
        return str(reply.json()["last_activity"])

    before = await last_activity()
    await http_client.get(f"{singleuser.url}p2m/status", headers=bearer(ADAS))
    await http_client.post(singleuser.mcp, json=LIST_TOOLS, headers=bearer("bobs-token"))
    assert await last_activity() == before
    async with connected(singleuser, "auto") as client:
        await client.list_tools()
    assert await last_activity() > before


async def test_who_changes_something_in_jupyter_uses_the_server_and_a_page_that_asks_does_not(
    singleuser: Jupyter, http_client: httpx2.AsyncClient
) -> None:
    async def last_activity() -> str:
        reply = await http_client.get(f"{singleuser.url}api/status", headers=bearer(ADAS))
        return str(reply.json()["last_activity"])

    before = await last_activity()
    for polled in ("api/kernels", "api/sessions", "api/contents/?content=1"):
        assert (await http_client.get(f"{singleuser.url}{polled}", headers=bearer(ADAS))).status_code == 200
    assert await last_activity() == before
    made = await http_client.post(f"{singleuser.url}api/contents/", headers=bearer(ADAS), json={"type": "directory"})
    assert made.status_code == 201, made.text
    assert await last_activity() > before


# --- restart ----------------------------------------------------------------------------------------------------------


async def test_a_restart_needs_a_token_or_a_cookie_with_its_xsrf_token(
    without_hub: Jupyter, http_client: httpx2.AsyncClient
) -> None:
    url = f"{without_hub.url}p2m/restart-blender"
    assert (await http_client.post(url)).status_code == 403
    reply = await http_client.post(url, headers=bearer("local-token"))
    assert (reply.status_code, reply.json()["error"]) == (503, "restart-failed")  # this machine has nothing to restart
    async with httpx2.AsyncClient(timeout=30, follow_redirects=True) as browser:
        page = (await browser.get(f"{without_hub.url}blender/?token=local-token")).text
        token = page.split('name="p2m-xsrf" content="')[1].split('"')[0]
        assert (await browser.post(url)).status_code == 403
        assert (await browser.post(url, headers={"X-XSRFToken": token})).status_code == 503


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ([], None),
        (["full"], "full"),
        (["full", "read-only, no-code"], "read-only"),
        (["no-code", "wide"], "wide"),
        ([""], ""),
    ],
)
def test_of_several_modes_the_narrowest_counts_and_an_unknown_one_stays_for_blender_to_refuse(
    values: list[str], mode: str | None
) -> None:
    assert narrowest(values) == mode


def test_what_goes_around_blender_keeps_to_mode_and_pause(tmp_path: Path) -> None:
    assert why_no_change(None, {}, tmp_path) is None
    assert why_no_change("no-code", {"P2M_MCP_MODE": "full"}, tmp_path) is None
    assert "read-only" in str(why_no_change("full", {"P2M_MCP_MODE": "read-only"}, tmp_path))
    assert "read-only" in str(why_no_change("read-only", {}, tmp_path))
    (tmp_path / "agents-paused").touch()
    assert "paused" in str(why_no_change(None, {}, tmp_path))
