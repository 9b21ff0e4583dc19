"""Conversations of rubbish with the add-on's real server: every reply is one, each ends in order, and it serves on.

Thousands more go to a real Blender (tests/addon/test_shared_blender.py).
"""

import json
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from p2m_blender.mainthread import MainThread
from p2m_blender.registry import CommandTable
from p2m_blender.server import BlenderServer, Settings
from tests.support.rubbish import CONVERSATIONS, TOGETHER, send_in_pieces
from tests.support.waiting import wait_for

CASES = 1000
"""On each of the two sockets."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where a server listens that has commands of the real ones' names, and a main thread of its own."""
    path = Path(tempfile.mkdtemp(prefix="p2m-", dir="/tmp"))
    table = CommandTable()
    main = MainThread()
    over = threading.Event()

    @table.command("ping")
    def ping() -> dict[str, bool]:
        return {"pong": True}

    @table.command("get_scene_info")
    def get_scene_info(limit: int = 50, offset: int = 0) -> list[int]:
        return [limit, offset]

    @table.command("get_object_info")
    def get_object_info(name: str) -> str:
        return name

    @table.command("get_status", off_main=True)
    def get_status() -> str:
        return "ready"

    def pump() -> None:
        while not over.is_set():
            main.run_pending(wait_s=0.01)

    server = BlenderServer(table, main, Settings(tcp_port=0, runtime_dir=path))
    server.start()
    pumping = threading.Thread(target=pump)
    pumping.start()
    wait_for(lambda: server.state.tcp and server.state.unix, 5, "both sockets", interval=0.01)
    (path / "port").write_text(str(server.tcp_address[1]))
    yield path
    wait_for(lambda: server.state.clients == 0, 10, "the end of all conversations")
    server.stop()
    over.set()
    pumping.join(5)
    shutil.rmtree(path)


fuzz = settings(max_examples=CASES // TOGETHER, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def test_on_tcp_every_reply_is_json_and_the_end_is_in_order(folder: Path):
    port = int((folder / "port").read_text())

    @fuzz
    @given(CONVERSATIONS)
    def talk(conversations: list[list[bytes]]) -> None:
        decoder = json.JSONDecoder()
        for pieces in conversations:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                replies = send_in_pieces(connection, pieces).decode("ascii")
            while replies:
                reply, end = decoder.raw_decode(replies)
                assert reply["status"] in ("success", "error")
                replies = replies[end:]

    talk()


def test_on_the_unix_socket_every_reply_is_a_frame_of_json_and_the_end_is_in_order(folder: Path):
    @fuzz
    @given(CONVERSATIONS)
    def talk(conversations: list[list[bytes]]) -> None:
        for pieces in conversations:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(folder / "blender.sock"))
                replies = send_in_pieces(connection, pieces)
            while replies:
                (length,) = struct.unpack(">I", replies[:4])
                reply = json.loads(replies[4 : 4 + length])
                assert reply["status"] in ("success", "error")
                replies = replies[4 + length :]

    talk()
