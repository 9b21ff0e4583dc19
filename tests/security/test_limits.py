"""Ada uses up all that she can get. Ben works on meanwhile, and afterwards Ada does too."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import requests
from docker.errors import APIError

from tests.support.hub import Person
from tests.support.mcp_client import mcp_client, text_of
from tests.support.waiting import wait_for, wait_for_async

from .conftest import MEMORY_MB

CALLS = 10
"""Calls of Ben's that must be answered while the attack goes on."""

RECOVERY_S = 200
PIDS_LIMIT = 1024
LOG_MB = 10 * 2
"""What the engine keeps of a container's log: two files of 10 MB."""


def is_well(person: Person) -> bool:
    """Whether Blender, its MCP server and its desktop answer."""
    headers = {"Authorization": f"Bearer {person.token}"}
    answer = requests.get(person.server_url("p2m/status"), headers=headers, timeout=30)
    return answer.ok and bool(answer.json()["ready"])


class Work:
    """Somebody at work with an agent, while something else happens.

    Attributes:
        seconds: How long each call took.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        self.seconds: list[float] = []
        self._over = asyncio.Event()

    async def go_on(self) -> None:
        """Call a tool again and again; each must be answered, the server stay ready, and the hub reachable."""
        async with mcp_client(self.person.mcp_url, self.person.token) as client:
            while not self._over.is_set():
                began = time.monotonic()
                assert "42" in text_of(await client.call_tool("execute_blender_code", {"code": "print(6 * 7)"}))
                self.seconds.append(time.monotonic() - began)
                assert await asyncio.to_thread(is_well, self.person)
                health = await asyncio.to_thread(requests.get, f"{self.person.hub.url}/hub/health", timeout=30)
                assert health.ok

    async def some_calls(self) -> None:
        """Wait until some more calls were answered."""
        enough = len(self.seconds) + CALLS
        await wait_for_async(lambda: len(self.seconds) >= enough, 120, f"answers to {CALLS} calls of the neighbour")

    def end(self) -> None:
        """Let the call that runs be the last."""
        self._over.set()


@asynccontextmanager
async def at_work(person: Person) -> AsyncIterator[Work]:
    """Let somebody work until the block ends; an error of theirs ends it too."""
    work = Work(person)
    async with asyncio.TaskGroup() as group:
        group.create_task(work.go_on())
        await work.some_calls()
        quiet, work.seconds = work.seconds, []
        yield work
        work.end()
    for when, seconds in (("before", quiet), ("during", work.seconds)):
        print(f"{when}: {len(seconds)} calls, median {statistics.median(seconds):.3f} s, longest {max(seconds):.3f} s")


def recover(person: Person) -> None:
    """Let somebody's server come back by itself, or start it again where it has ended."""

    def back() -> bool:
        try:
            running = person.is_ready()
        except RuntimeError:  # no server: the container has ended
            person.request_server()
            return False
        return running and is_well(person)

    wait_for(back, RECOVERY_S, f"the server of {person.name}", interval=1)


async def until(look: Callable[[], bool], what: str) -> None:
    """Wait for something that is looked at in a thread."""
    await wait_for_async(lambda: asyncio.to_thread(look), 120, what, interval=0.5)


async def test_a_fork_bomb_ends_at_the_limit_and_at_its_owner(ada: Person, ben: Person):
    container = ada.container()

    def processes() -> int:
        return int(container.stats(stream=False)["pids_stats"].get("current", 0))

    async with at_work(ben) as work:
        container.exec_run(["bash", "-c", ":(){ :|:& };:"], detach=True)
        await until(lambda: processes() >= PIDS_LIMIT * 0.9, "as many processes as she may have")
        await work.some_calls()
        assert await asyncio.to_thread(processes) <= PIDS_LIMIT
        await asyncio.to_thread(ada.stop_server)  # what her home page offers
        await asyncio.to_thread(ada.request_server)
        await asyncio.to_thread(recover, ada)
    assert is_well(ada)


async def test_a_memory_bomb_is_killed_and_blender_comes_back(ada: Person, ben: Person):
    container = ada.container()
    bomb = "heap = []\nwhile True: heap.append(b'x' * (32 << 20))"
    async with at_work(ben) as work:
        ended = await asyncio.to_thread(container.exec_run, ["python3", "-c", bomb])
        await work.some_calls()
        await asyncio.to_thread(recover, ada)
    assert ended.exit_code == 137  # SIGKILL
    assert container.stats(stream=False)["memory_stats"]["limit"] == MEMORY_MB * 1024**2


async def test_a_full_tmp_counts_as_memory_and_hurts_nobody_else(ada: Person, ben: Person):
    container = ada.container()
    async with at_work(ben) as work:
        try:
            filled = await asyncio.to_thread(container.exec_run, ["dd", "if=/dev/zero", "of=/tmp/fill", "bs=1M"])
            assert filled.exit_code != 0
            await work.some_calls()
            await asyncio.to_thread(container.exec_run, ["rm", "-f", "/tmp/fill"])
        except APIError as ended:  # so much that her server has ended
            print(ended)
        await asyncio.to_thread(recover, ada)


async def test_a_flood_of_output_is_kept_to_the_end_of_it(ada: Person, ben: Person):
    container = ada.container()
    log = Path(container.attrs["LogPath"])
    async with at_work(ben):
        flood = "head -c 45000000 /dev/urandom | base64 >/proc/1/fd/1"
        assert (await asyncio.to_thread(container.exec_run, ["sh", "-c", flood])).exit_code == 0
    kept = sum(file.stat().st_size for file in log.parent.glob(f"{log.name}*"))
    assert 0 < kept <= (LOG_MB + 1) * 10**6
    assert is_well(ada)


@pytest.mark.parametrize("place", ["/run", "/dev/shm"])
def test_other_memory_file_systems_have_a_size(ada: Person, place: str):
    filled = ada.container().exec_run(["sh", "-c", f"dd if=/dev/zero of={place}/fill bs=1M count=100; rm {place}/fill"])
    assert b"No space left on device" in filled.output
