"""The add-on's socket server with real sockets; only Blender's main thread is a thread of the test."""

import json
import shutil
import socket
import stat
import struct
import tempfile
import threading
import time
from pathlib import Path

import pytest

from p2m_blender.access import Access, Mode
from p2m_blender.mainthread import MainThread
from p2m_blender.registry import CommandTable
from p2m_blender.server import BlenderServer, Settings
from tests.support.waiting import wait_for


class Blender:
    """A server, its commands, and a thread that stands for Blender's main thread."""

    def __init__(self, folder: Path, mode: Mode = "full", **settings: object) -> None:
        self.main = MainThread()
        self.access = Access(mode, folder / "agents-paused" if folder.is_dir() else None)
        self.folder = folder
        self.ran: list[object] = []
        self.free = threading.Event()
        self.spinning = False
        self._over = threading.Event()
        table = CommandTable()

        @table.command("echo")
        def echo(value: object = None) -> object:
            self.ran.append(value)
            return value

        @table.command("block")
        def block() -> str:
            self.free.wait(20)
            return "done"

        @table.command("spin")
        def spin() -> None:
            while True:
                self.spinning = True

        @table.command("edit", kind="edit")
        def edit() -> str:
            return "edited"

        @table.command("large")
        def large(size: int) -> str:
            return "x" * size

        @table.command("status", off_main=True)
        def status() -> object:
            activity = self.main.activity()
            return None if activity is None else activity.what

        self.server = BlenderServer(table, self.main, Settings(tcp_port=0, runtime_dir=folder, **settings), self.access)
        self.server.start()
        self._pumping = threading.Thread(target=self._pump, daemon=True)
        self._pumping.start()
        wait_for(lambda: self.server.state.tcp, 5, "TCP socket", interval=0.01)

    def _pump(self) -> None:
        while not self._over.is_set():
            self.main.run_pending()
            time.sleep(0.001)

    def close(self) -> None:
        self.server.stop()
        self.free.set()
        self._over.set()
        self._pumping.join(5)

    def tcp(self) -> "Client":
        return Client(socket.create_connection(self.server.tcp_address, timeout=10))

    def unix(self) -> "FrameClient":
        wait_for(lambda: self.server.state.unix, 5, "unix socket", interval=0.01)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(str(self.folder / "blender.sock"))
        return FrameClient(connection)


class Client:
    """Upstream's wire."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._rest = ""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, name: str, **params: object) -> None:
        self.send(json.dumps({"type": name, "params": params}).encode())

    def reply(self) -> dict | None:
        """The next reply, None when the server has closed."""
        while True:
            if self._rest:
                try:
                    reply, end = json.JSONDecoder().raw_decode(self._rest)
                except json.JSONDecodeError:
                    pass
                else:
                    self._rest = self._rest[end:]
                    return reply
            data = self.socket.recv(1 << 20)
            if not data:
                assert not self._rest
                return None
            self._rest += data.decode("ascii")

    def call(self, name: str, **params: object) -> dict | None:
        self.request(name, **params)
        return self.reply()


class FrameClient:
    """Our own wire."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._stream = connection.makefile("rb")

    def request(self, name: str, **more: object) -> None:
        body = json.dumps({"type": name, **more}).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def reply(self) -> dict | None:
        header = self._stream.read(4)
        return json.loads(self._stream.read(struct.unpack(">I", header)[0])) if header else None

    def call(self, name: str, **more: object) -> dict | None:
        self.request(name, **more)
        return self.reply()


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="p2m-", dir="/tmp"))  # short: a unix socket's path has 107 bytes
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(folder):
    """Start a `Blender` with settings; it ends with the test."""
    running = []

    def start(**settings: object) -> Blender:
        running.append(Blender(folder, **settings))
        return running[-1]

    yield start
    for blender in running:
        blender.close()


@pytest.fixture
def blender(start):
    return start()


def success(result: object) -> dict:
    return {"status": "success", "result": result}


def test_commands_are_answered_on_both_sockets(blender):
    assert blender.tcp().call("echo", value=[1, "ü"]) == success([1, "ü"])
    assert blender.unix().call("echo", id="a", params={"value": 2}) == {"id": "a", **success(2)}


def test_two_commands_in_one_segment_are_answered_in_order(blender):
    client = blender.tcp()
    client.send(b'{"type":"echo","params":{"value":1}}{"type":"status"}\n{"type":"echo","params":{"value":2}}')
    assert [client.reply()["result"] for _ in range(3)] == [1, None, 2]


def test_utf8_cut_in_the_middle_of_a_character_is_whole_again(blender):
    client = blender.tcp()
    for byte in json.dumps({"type": "echo", "params": {"value": "Würfel 立方 🧊"}}, ensure_ascii=False).encode():
        client.send(bytes([byte]))
    assert client.reply() == success("Würfel 立方 🧊")


@pytest.mark.parametrize(
    "rubbish", [b"[1,2]", b"nonsense", b"POST / HTTP/1.1\r\n\r\n" + b'{"type":"echo"}', b"\xff\xfe"]
)
def test_rubbish_gets_an_error_then_the_end_and_runs_nothing(blender, rubbish):
    client = blender.tcp()
    client.send(rubbish)
    assert client.reply()["status"] == "error"
    client.socket.shutdown(socket.SHUT_WR)
    assert client.reply() is None
    assert blender.ran == []
    assert blender.tcp().call("echo", value=1) == success(1)


@pytest.mark.parametrize("wrong", [b'{"type": }', b'{"type": "\xff"}', b"{}", b'{"type":"echo","params":{"nope":1}}'])
def test_a_wrong_request_gets_an_error_and_the_connection_stays(blender, wrong):
    client = blender.tcp()
    client.send(wrong)
    assert client.reply()["status"] == "error"
    assert client.call("echo", value=1) == success(1)


def test_an_unknown_command_is_named(blender):
    assert blender.tcp().call("dance") == {"status": "error", "message": "Unknown command type: dance"}


def test_sixteen_megabytes_in_and_eight_out_go_whole(blender):
    client = blender.tcp()
    text = 'a\n"' * 4_000_000
    assert client.call("echo", value=text)["result"] == text
    assert len(client.call("large", size=8_000_000)["result"]) == 8_000_000


def test_rubbish_of_many_megabytes_still_reads_its_error(start):
    client = start().tcp()
    client.send(b"x" * 8_000_000)
    assert client.reply()["status"] == "error"


def test_half_a_message_then_silence_ends_with_an_error_and_blocks_nobody(start):
    blender = start(idle_timeout_s=0.3)
    silent, other = blender.tcp(), blender.tcp()
    silent.send(b'{"type": "echo", "para')
    assert other.call("echo", value=1) == success(1)
    assert "silence" in silent.reply()["message"]
    time.sleep(0.5)
    assert other.call("echo", value=2) == success(2)  # silent between messages, as it may be


def test_a_client_that_does_not_read_blocks_nobody(blender):
    lazy, other = blender.tcp(), blender.tcp()
    for _ in range(4):
        lazy.request("large", size=8_000_000)
    assert other.call("echo", value=1) == success(1)
    assert len(lazy.reply()["result"]) == 8_000_000


def test_a_client_that_closes_its_side_first_still_gets_its_reply(blender):
    client = blender.tcp()
    client.request("echo", value=1)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.reply() == success(1)
    assert client.reply() is None


def test_status_is_answered_while_the_main_thread_is_stuck(blender):
    stuck, other, ours = blender.tcp(), blender.tcp(), blender.unix()
    stuck.request("block")
    wait_for(lambda: blender.main.in_command, 5, "the command to start", interval=0.01)
    assert other.call("status") == success("block")
    ours.request("echo", id=1, params={"value": 1})
    assert ours.call("status", id=2) == {"id": 2, **success("block")}  # overtakes what waits on the same connection
    blender.free.set()
    assert ours.reply() == {"id": 1, **success(1)}
    assert stuck.reply() == success("done")


def test_a_deadline_names_what_blender_is_busy_with_and_withdraws_what_waits(start):
    blender = start(deadline_s=0.2)
    stuck, waiting = blender.tcp(), blender.unix()
    stuck.request("block")
    wait_for(lambda: blender.main.in_command, 5, "the command to start", interval=0.01)
    late = waiting.call("echo", id=1, params={"value": "late"}, deadline_s=0.1)
    assert late["error"]["type"] == "DeadlineExceeded"
    assert "busy with block since 2" in late["message"]
    assert "withdrawn" in late["message"]
    assert "block did not finish within 0.2 s and cannot be interrupted" in stuck.reply()["message"]
    blender.free.set()
    wait_for(lambda: not blender.main.in_command, 5, "the end of the command", interval=0.01)
    assert stuck.call("echo", value="next") == success("next")
    assert blender.ran == ["next"]


def test_what_a_vanished_unix_client_had_queued_does_not_run(blender):
    stuck, gone = blender.tcp(), blender.unix()
    stuck.request("block")
    wait_for(lambda: blender.main.in_command, 5, "the command to start", interval=0.01)
    gone.request("echo", id=1, params={"value": "gone"})
    wait_for(lambda: blender.server.state.calls[0].name == "echo", 5, "the request to arrive", interval=0.01)
    gone._stream.close()
    gone.socket.close()
    wait_for(lambda: blender.server.state.clients == 1, 5, "the client to be gone", interval=0.01)
    blender.free.set()
    assert stuck.reply() == success("done")
    assert stuck.call("echo", value="next") == success("next")
    assert blender.ran == ["next"]


def test_before_its_first_visit_the_main_thread_counts_as_busy():
    main = MainThread()
    assert main.activity().what == "starting up"
    main.run_pending()
    assert main.activity() is None


def test_the_main_thread_is_free_once_a_long_command_has_its_outcome(monkeypatch):
    monkeypatch.setattr("p2m_blender.mainthread.STALE_S", 0.05)
    main = MainThread()
    seen = []
    main.submit("long", lambda: time.sleep(0.1)).future.add_done_callback(lambda _: seen.append(main.activity()))
    main.run_pending()
    assert seen == [None]


def test_a_visit_stops_at_its_budget_and_goes_on_in_the_next():
    main = MainThread()
    ran = []
    for number, seconds in enumerate((0.0, 0.35, 0.0)):
        main.submit("slow", lambda number=number, seconds=seconds: (time.sleep(seconds), ran.append(number)))
    assert main.run_pending(budget_s=0.3) == 2
    assert main.run_pending(budget_s=0.3) == 1
    assert ran == [0, 1, 2]


def test_the_unix_socket_is_private_and_replaces_a_stale_file(folder, start):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / "blender.sock"))
    left.close()
    blender = start()
    assert blender.unix().call("echo", id=1)["status"] == "success"
    assert stat.S_IMODE((folder / "blender.sock").stat().st_mode) == 0o600


def test_a_second_blender_does_not_take_the_firsts_socket_and_follows_when_it_ends(folder, start):
    first = start()
    assert first.unix().call("echo", id=1, params={"value": "first"})["result"] == "first"
    second = start()
    assert first.unix().call("echo", id=1)["status"] == "success"
    assert second.server.state.unix is None
    first.close()
    assert second.unix().call("echo", id=1, params={"value": "second"})["result"] == "second"


def test_without_the_runtime_folder_only_tcp_is_served(folder):
    blender = Blender(folder / "missing")
    try:
        assert blender.tcp().call("echo", value=1) == success(1)
        assert blender.server.state.unix is None
    finally:
        blender.close()


def test_stopping_closes_connections_and_frees_the_port(blender, folder):
    client = blender.tcp()
    assert client.call("echo", value=1) == success(1)
    host, port = blender.server.tcp_address
    blender.server.stop()
    assert client.socket.recv(1) == b""
    assert blender.server.state.tcp is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), timeout=1)
    blender.server.start()
    wait_for(lambda: blender.server.state.tcp, 5, "TCP socket", interval=0.01)
    assert blender.tcp().call("echo", value=2) == success(2)


@pytest.mark.parametrize(("text", "port"), [("1234", 1234), ("0", 0), ("", 9876), ("x", 9876), ("70000", 9876)])
def test_the_port_comes_from_the_environment(text, port):
    assert Settings.from_environment({"P2M_BLENDER_TCP_PORT": text}).tcp_port == port


def test_python_code_beyond_its_deadline_is_interrupted_and_the_next_command_runs(blender):
    client = blender.unix()
    started = time.monotonic()
    late = client.call("spin", id=1, deadline_s=0.2)
    assert time.monotonic() - started < 1
    assert late["error"]["type"] == "DeadlineExceeded"
    assert "spin did not finish within 0.2 s and was interrupted" in late["message"]
    assert client.call("echo", id=2, params={"value": "next"})["result"] == "next"


def test_code_whose_client_goes_away_is_interrupted(blender):
    gone = blender.unix()
    gone.request("spin", id=1)
    wait_for(lambda: blender.spinning, 5, "the command to start", interval=0.01)
    gone._stream.close()
    gone.socket.close()
    wait_for(lambda: not blender.main.in_command, 5, "the interrupt", interval=0.01)
    assert blender.server.state.calls[0].outcome == "cancelled"


def test_a_stuck_command_is_reported_at_once_to_those_who_wait_and_those_who_come(blender):
    stuck, waiting, coming = blender.unix(), blender.unix(), blender.tcp()
    stuck.request("block", id=1, deadline_s=0.1)
    wait_for(lambda: blender.main.in_command, 5, "the command to start", interval=0.01)
    waiting.request("echo", id=2, params={"value": "waiting"})
    assert "restart_blender" in stuck.reply()["message"]
    answer = waiting.reply()
    assert answer["error"]["type"] == "Busy"
    assert "busy with block since 2" in answer["message"]
    started = time.monotonic()
    assert "restart_blender" in coming.call("echo", value="coming")["message"]
    assert time.monotonic() - started < 0.5
    blender.free.set()
    wait_for(lambda: not blender.main.in_command, 5, "the end of the command", interval=0.01)
    assert coming.call("echo", value="next") == success("next")
    assert blender.ran == ["next"]


def test_a_flood_of_one_client_does_not_hold_up_another(blender):
    hold, flood, other = blender.tcp(), blender.unix(), blender.unix()
    hold.request("block")
    wait_for(lambda: blender.main.in_command, 5, "the command to start", interval=0.01)
    for number in range(1000):
        flood.request("echo", id=number, params={"value": number})
    other.request("echo", id="other", params={"value": "other"})
    wait_for(lambda: blender.server.state.calls[0].client != "", 5, "calls", interval=0.01)
    wait_for(lambda: len(blender.main._lanes) == 2, 5, "both to wait", interval=0.01)
    blender.free.set()
    assert other.reply()["result"] == "other"
    assert blender.ran.index("other") <= 2
    assert [flood.reply()["result"] for _ in range(1000)] == list(range(1000))


def share_of_the_first(blender) -> float:
    """Let 32 clients send 50 calls each; how far into the whole the first one was done, 0 to 1."""
    clients = [blender.unix() for _ in range(32)]
    finished: list[float] = []

    def work(client):
        for number in range(50):
            assert client.call("echo", id=number, params={"value": number})["result"] == number
        finished.append(time.monotonic())

    started = time.monotonic()
    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(finished) == 32
    return (min(finished) - started) / (max(finished) - started)


def test_thirty_two_clients_at_once_are_served_evenly(blender):
    # The clients' own threads may be held up by other programs; a server that favours one does so each time.
    assert any(share_of_the_first(blender) > 0.5 for _ in range(3)), "somebody was done long before the others"


def test_the_time_of_a_command_by_tcp_is_kept_and_of_no_other(blender):
    assert blender.unix().call("echo")["status"] == "success"
    assert blender.main.tcp_command_at is None
    assert blender.tcp().call("status")["status"] == "success"
    assert blender.main.tcp_command_at is None, "a question whether it is busy is no work"
    assert blender.tcp().call("echo")["status"] == "success"
    assert time.time() - blender.main.tcp_command_at < 60


def test_who_calls_and_how_it_ended_is_kept(blender):
    unix = blender.unix()
    unix.call("echo", id=1, client="Claude")
    unix.call("large", id=2, params={"size": -1}, client="Claude")
    blender.tcp().call("spin", nonsense=1)
    state = blender.server.state
    assert [(call.name, call.client, call.outcome) for call in state.calls] == [
        ("large", "Claude", "done"),
        ("echo", "Claude", "done"),
    ]
    assert "Claude" in state.names
    for number in range(20):
        unix.call("echo", id=number)
    assert len(blender.server.state.calls) == 10


@pytest.mark.parametrize(
    ("own", "requested", "command", "refused"),
    [
        ("full", None, "edit", False),
        ("full", "read-only", "edit", True),
        ("full", "no-code", "edit", False),
        ("read-only", "full", "edit", True),
        ("read-only", None, "echo", False),
        ("full", "wide", "echo", True),
        ("full", "", "echo", True),
    ],
)
def test_the_narrower_of_both_modes_counts(start, own, requested, command, refused):
    answer = start(mode=own).unix().call(command, id=1, mode=requested)
    assert answer.get("error", {}).get("type") == ("ModeRefused" if refused else None)


def test_paused_agents_look_but_change_nothing_until_resumed_also_in_the_next_blender(folder, start):
    blender = start()
    client = blender.unix()
    blender.access.pause()
    answer = client.call("edit", id=1)
    assert answer["error"]["type"] == "Paused"
    assert "Resume" in answer["message"]
    assert client.call("echo", id=2)["status"] == "success"
    blender.close()
    following = start()
    assert following.unix().call("edit", id=3)["error"]["type"] == "Paused"
    following.access.resume()
    assert following.unix().call("edit", id=4)["result"] == "edited"


def test_what_waited_when_agents_were_paused_does_not_run(blender):
    hold, edit = blender.tcp(), blender.unix()
    hold.request("block")
    wait_for(lambda: blender.main.in_command, 5, "the command to start", interval=0.01)
    edit.request("edit", id=1)
    wait_for(lambda: blender.server.state.calls[0].name == "edit", 5, "the request", interval=0.01)
    blender.access.pause()
    blender.free.set()
    assert edit.reply()["error"]["type"] == "Paused"
