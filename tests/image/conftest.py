"""Real containers of the user image, started as the spawner starts them."""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import LogConfig

from tests.support.image import IMAGE

TOKEN = "token-of-the-image-tests"
START_DEADLINE_S = 90.0
LOCKED_DOWN: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "", "/run": "exec,uid=1000,gid=1000,mode=755"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}

# Sends one command to the extension's unix socket; run inside the container.
ASK_BLENDER = """
import json, socket, struct, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(20)
    s.connect("/run/p2m/blender.sock")
    body = sys.argv[1].encode()
    s.sendall(struct.pack(">I", len(body)) + body)
    stream = s.makefile("rb")
    print(stream.read(struct.unpack(">I", stream.read(4))[0]).decode())
"""
PING_BLENDER = ("python3", "-IS", "-c", ASK_BLENDER, '{"id": 1, "type": "ping"}')


def wait_until(what: str, condition: Callable[[], Any], deadline: float = START_DEADLINE_S) -> Any:
    """Poll until the condition holds and return its value; say what was waited for when it never does."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    pytest.fail(f"waited {deadline:.0f} s for: {what}")


@dataclass
class UserContainer:
    """One user's container and what the tests ask of it."""

    docker: Container
    volume: str

    def run(self, *command: str, user: str = "") -> tuple[int, str]:
        """Run a command inside; return its exit code and output."""
        code, output = self.docker.exec_run(list(command), user=user)
        return code, output.decode("utf-8", "replace").strip()

    def output(self, *command: str) -> str:
        """Run a command inside that must succeed; return its output."""
        code, output = self.run(*command)
        assert code == 0, f"{command}: exit code {code}: {output}"
        return output

    def ask_blender(self, command: str, **params: Any) -> Any:
        """Send one command to the extension and return the result."""
        request = json.dumps({"id": 1, "type": command, "params": params})
        reply = json.loads(self.output("python3", "-c", ASK_BLENDER, request))
        assert reply["status"] == "success", reply
        return reply["result"]

    def blender_answers(self) -> bool:
        """Say whether the extension answers."""
        return self.run(*PING_BLENDER)[0] == 0

    def wait_for_blender(self) -> None:
        """Wait until the extension answers."""
        self.wait_for_success("the extension answers", *PING_BLENDER)

    def wait_for_all(self) -> None:
        """Wait until Blender and Jupyter answer and the MCP server listens (the kernel's flag __SO_ACCEPTCON)."""
        self.wait_for_success("Blender and Jupyter answer", "p2m-healthcheck")
        self.wait_for_success("the MCP server listens", "grep", " 00010000 .*/mcp.sock", "/proc/net/unix")

    def wait_for_success(self, what: str, *command: str) -> None:
        """Wait until a command inside succeeds: repeated there, for each run by the engine would slow down the rest."""
        again = 'until "$@" >/dev/null 2>&1; do sleep 0.1; done'
        wait_until(what, lambda: self.run("timeout", "30", "sh", "-c", again, "sh", *command)[0] == 0)

    def pid(self, name: str) -> int:
        """Return the process id (inside) of a program, 0 when it does not run."""
        script = (
            'for p in /proc/[0-9]*; do read -r n <$p/comm && [ "$n" = "$1" ] && echo ${p#/proc/}; done 2>/dev/null; :'
        )
        found = self.output("sh", "-c", script, "sh", name).split()
        return int(found[0]) if found else 0

    def kill(self, name: str) -> int:
        """Kill a program and return the process id it had."""
        pid = int(wait_until(f"{name} runs", lambda: self.pid(name)))
        self.output("sh", "-c", f"kill -KILL {pid}")
        return pid

    def exits(self) -> dict[str, Any]:
        """Return what is known of Blender's exits."""

        def read() -> tuple[int, str] | None:
            code, text = self.run("cat", "/run/p2m/blender-exits.json")
            return (code, text) if code or text else None  # Docker 20.10 sometimes loses an output under load

        code, text = wait_until("what is known of Blender's exits", read)
        return dict(json.loads(text)) if code == 0 else {"restarts": 0, "failed": False, "reason": None}

    def ended(self) -> bool:
        """Say whether the container has ended."""
        self.docker.reload()
        return bool(self.docker.status == "exited")


class Containers:
    """Starts containers and removes them, with their volumes, at the end."""

    def __init__(self) -> None:
        self.client = docker.from_env()
        self.started: list[UserContainer] = []

    def start(
        self,
        *,
        locked_down: bool = True,
        volume: str = "",
        command: list[str] | None = None,
        tmpfs: dict[str, str] | None = None,
        headless: bool = False,
    ) -> UserContainer:
        """Start a container, perhaps with more file systems in memory or without a window; it is not ready yet."""
        options = LOCKED_DOWN if locked_down else {}
        if tmpfs is not None:
            options = {**options, "tmpfs": {**options.get("tmpfs", {}), **tmpfs}}
        name = f"p2m-image-test-{uuid.uuid4().hex[:10]}"
        volume = volume or f"{name}-home"
        container = self.client.containers.run(
            IMAGE,
            ["start-p2m", f"--IdentityProvider.token={TOKEN}"] if command is None else command,
            name=name,
            detach=True,
            environment={"P2M_BLENDER_MODE": "headless"} if headless else {},
            volumes={volume: {"bind": "/home/blender", "mode": "rw"}},
            ports={"8888/tcp": ("127.0.0.1", None)},
            log_config=LogConfig(type="json-file"),
            **options,
        )
        self.started.append(UserContainer(container, volume))
        return self.started[-1]

    def print_logs(self) -> None:
        """Print what the containers said: shown by pytest with a failed test."""
        for container in self.started:
            print(f"--- log of {container.docker.name}")
            print(container.docker.logs(tail=200).decode("utf-8", "replace"))

    def remove(self) -> None:
        """Remove containers and volumes."""
        for container in self.started:
            container.docker.remove(force=True)
        for name in {container.volume for container in self.started}:
            try:
                self.client.volumes.get(name).remove()
            except APIError as error:
                print(f"volume {name}: {error}")
        self.client.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print the containers' logs with a failed test."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Containers):
                value.print_logs()
            elif isinstance(value, UserContainer):
                print(value.docker.logs(tail=200).decode("utf-8", "replace"))
    return report


@pytest.fixture
def containers() -> Iterator[Containers]:
    """For tests that start, stop or break containers."""
    started = Containers()
    try:
        yield started
    finally:
        started.remove()


@contextlib.contextmanager
def ready_container(*, headless: bool = False) -> Iterator[UserContainer]:
    """A locked-down container, with everything answering, until the block ends."""
    started = Containers()
    try:
        ready = started.start(headless=headless)
        try:
            ready.wait_for_all()
        except pytest.fail.Exception:
            started.print_logs()
            raise
        yield ready
    finally:
        started.remove()


@pytest.fixture(scope="module")
def container() -> Iterator[UserContainer]:
    """One container for a module's tests."""
    with ready_container() as ready:
        yield ready


@pytest.fixture(scope="module")
def headless() -> Iterator[UserContainer]:
    """One without a window, whose Blender starts in half the time."""
    with ready_container(headless=True) as ready:
        yield ready
