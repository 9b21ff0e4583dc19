"""The process that keeps another one serving: real processes and signals, a small server in the gateway's place."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.hub import ROOT, is_running
from tests.support.ports import free_port
from tests.support.waiting import wait_for

SUPERVISE = (
    "import sys; from p2m_spawner.gateway import supervisor; sys.exit(supervisor.run('{host}', {port}, {command}))"
)

SERVE = """
import os, signal, socket, sys, threading
if {die}:
    {die_how}
listener = socket.socket(fileno=int(sys.argv[1]))
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


class Supervised:
    """A supervisor and what it runs.

    Args:
        folder: For the program and the log.
        host: Where it listens.
        die_how: A statement that each new process runs instead of serving, while there is a file `dying`.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", die_how: str = "pass") -> None:
        self.address = (host, free_port())
        self.dying = folder / "dying"
        program = folder / "serve.py"
        program.write_text(textwrap.dedent(SERVE.format(die=f"os.path.exists({str(self.dying)!r})", die_how=die_how)))
        script = SUPERVISE.format(host=host, port=self.address[1], command=[sys.executable, str(program)])
        self.log = folder / "log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=output)

    def ask(self) -> int:
        """The id of the process that serves."""
        with socket.create_connection(self.address, timeout=10) as connection:
            return int(connection.recv(20))

    def wait(self) -> int:
        """Wait until it serves."""
        return wait_for(self.ask, 10, "the first process", interval=0.02)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    started: list[Supervised] = []

    def start(**options: str) -> Supervised:
        started.append(Supervised(tmp_path, **options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait(10)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_wait_for_the_next_process(supervised: Callable[..., Supervised], host: str) -> None:
    running = supervised(host=host)
    before = running.wait()
    os.kill(before, signal.SIGKILL)
    # What it had accepted in its last moment ends with it.
    wait_for(lambda: not Path(f"/proc/{before}").exists(), 10, "the end of the process", interval=0.01)
    after = running.ask()  # neither refused nor reset
    assert after != before
    assert "has ended (SIGKILL); another one starts" in running.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both(supervised: Callable[..., Supervised], number: signal.Signals) -> None:
    running = supervised()
    served = running.wait()
    running.process.send_signal(number)
    assert running.process.wait(10) == 0
    assert not is_running(served)
    with pytest.raises(ConnectionRefusedError):
        running.ask()


def test_what_serves_learns_that_its_supervisor_was_killed(supervised: Callable[..., Supervised]) -> None:
    running = supervised()
    served = running.wait()
    running.process.kill()
    running.process.wait(10)
    wait_for(lambda: not is_running(served), 10, "end of the process that served")


def test_a_process_that_cannot_start_is_not_started_again(
    supervised: Callable[..., Supervised], tmp_path: Path
) -> None:
    (tmp_path / "dying").touch()
    assert supervised(die_how="sys.exit(3)").process.wait(10) == 3


def test_one_that_is_killed_at_each_start_is_tried_again_after_pauses(
    supervised: Callable[..., Supervised], tmp_path: Path
) -> None:
    (tmp_path / "dying").touch()
    began = time.monotonic()
    running = supervised(die_how="os.kill(os.getpid(), signal.SIGKILL)")

    def ends() -> int:
        return running.log.read_text().count("has ended (SIGKILL)")

    wait_for(lambda: ends() == 2, 20, "two ends")
    assert time.monotonic() - began > 1
    assert running.process.poll() is None
    running.dying.unlink()
    running.wait()


def test_a_taken_address_is_an_error(supervised: Callable[..., Supervised]) -> None:
    running = supervised()
    running.wait()
    script = SUPERVISE.format(host=running.address[0], port=running.address[1], command=["true"])
    second = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert "Address already in use" in second.stderr
