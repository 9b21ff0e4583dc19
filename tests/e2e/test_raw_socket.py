"""The published raw socket: upstream's own client drives our Blender, and rubbish hangs nobody."""

import json
import socket
import subprocess
import venv
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from tests.support.hub import ROOT, Person
from tests.support.mcp_client import text_of

UPSTREAM = "mcp-for-blender==2.2.4"


def raw_port(person: Person) -> int:
    return int(person.container().ports["9876/tcp"][0]["HostPort"])


@pytest.fixture(scope="session")
def upstream_client() -> Path:
    """Upstream's client in a virtual environment of its own, kept between runs beside the project's."""
    place = ROOT / ".venv" / "upstream-client"
    done = place / UPSTREAM
    if not done.exists():
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([place / "bin/pip", "install", "--quiet", UPSTREAM], check=True, timeout=300)
        done.touch()
    return next((place / "bin").glob("*blender*"))


async def test_upstreams_own_client_drives_our_blender(someone: Person, upstream_client: Path, tmp_path: Path):
    server = StdioServerParameters(
        command=str(upstream_client),
        env={
            "BLENDER_HOST": "127.0.0.1",
            "BLENDER_PORT": str(raw_port(someone)),
            "HOME": str(tmp_path),
            "DISABLE_TELEMETRY": "true",
            "PATH": f"{upstream_client.parent}:/usr/bin:/bin",
        },
    )
    async with Client(server, mode="legacy", read_timeout_seconds=60) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"get_addon_status", "get_scene_info", "execute_blender_code"} <= names
        print(text_of(await client.call_tool("get_addon_status", {"user_prompt": "look"})))
        code = "bpy.ops.mesh.primitive_torus_add(); bpy.context.object.name = 'UpstreamTorus'; print('made it')"
        call = {"code": f"import bpy; {code}", "user_prompt": "a torus"}
        assert "made it" in text_of(await client.call_tool("execute_blender_code", call))
        assert "UpstreamTorus" in text_of(await client.call_tool("get_scene_info", {"user_prompt": "look"}))
        found = await client.read_resource("blender://object/UpstreamTorus")
        assert "MESH" in found.contents[0].text


class Raw:
    """A connection to the raw socket that speaks upstream's wire: JSON without a length or an end."""

    def __init__(self, person: Person, seconds: float = 60) -> None:
        self.socket = socket.create_connection(("127.0.0.1", raw_port(person)), timeout=seconds)
        self.rest = ""

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> dict[str, object] | None:
        """The next reply, None when the connection was closed."""
        decoder = json.JSONDecoder()
        while True:
            try:
                value, end = decoder.raw_decode(self.rest)
            except ValueError:
                data = self.socket.recv(1 << 20)
                if not data:
                    return None
                self.rest += data.decode("ascii")
            else:
                self.rest = self.rest[end:].lstrip()
                return value


PING = json.dumps({"type": "ping", "params": {}}).encode()


def is_served(person: Person) -> bool:
    """Whether a new client gets an answer."""
    with Raw(person, seconds=10) as raw:
        raw.send(PING)
        answer = raw.reply()
        return answer is not None and answer["status"] == "success"


def test_two_commands_in_one_segment_are_both_answered_in_order(someone: Person):
    with Raw(someone) as raw:
        raw.send(PING + json.dumps({"type": "get_scene_info", "params": {}}).encode())
        first, second = raw.reply(), raw.reply()
    assert first and first["status"] == "success"
    assert second and "object_count" in second["result"]  # type: ignore[operator]


def test_a_character_split_over_two_segments_arrives_whole(someone: Person):
    message = json.dumps({"type": "execute_code", "params": {"code": "print('Würfel 立方')"}}, ensure_ascii=False)
    data = message.encode()
    cut = data.index("立".encode()) + 1
    with Raw(someone) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.send(data[:cut])
        assert is_served(someone)  # the first half has been read by the time another client was answered
        raw.send(data[cut:])
        answer = raw.reply()
    assert answer and "Würfel 立方" in answer["result"]["result"]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    "rubbish",
    [
        b"[1,2]",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\x00",
        b'{"type": 7}',
        b'{"params": {}}',
        b'{"type":"ping",}',
        b"}{",
    ],
)
def test_rubbish_gets_an_error_or_a_closed_connection(someone: Person, rubbish: bytes):
    with Raw(someone) as raw:
        raw.send(rubbish)
        answer = raw.reply()
    assert answer is None or answer["status"] == "error"
    assert is_served(someone)


def test_sixteen_megabytes_are_answered(someone: Person):
    code = f"x = {'y' * 16_000_000!r}; print(len(x))"
    with Raw(someone) as raw:
        raw.send(json.dumps({"type": "execute_code", "params": {"code": code}}).encode())
        answer = raw.reply()
    assert answer and answer["status"] == "success"
    assert "16000000" in answer["result"]["result"]  # type: ignore[index, call-overload]
    assert is_served(someone)


SOON = """
import dataclasses
from bl_ext.system.p2m_blender import pump
pump._server._settings = dataclasses.replace(pump._server._settings, idle_timeout_s=3)
"""
"""Makes Blender wait 3 s instead of 30 for the rest of a message."""


def test_half_a_message_then_silence_blocks_nobody_and_is_ended(someone: Person):
    with Raw(someone) as raw:
        raw.send(json.dumps({"type": "execute_code", "params": {"code": SOON}}).encode())
        answer = raw.reply()
        assert answer and answer["status"] == "success"
        raw.send(PING[:10])
        assert is_served(someone)
        answer = raw.reply()
    assert answer is None or answer["status"] == "error"
    assert is_served(someone)


def test_an_unknown_command_is_named(someone: Person):
    with Raw(someone) as raw:
        raw.send(b'{"type": "dance", "params": {}}')
        assert raw.reply() == {"status": "error", "message": "Unknown command type: dance"}
