"""One hub with up to 5,000 active servers: starts a second, latencies, memory, CPU, time in the database.

The hub, its database, docker-py, the proxy and the gateway are real; the engine and the servers are not, see
`bench.fake_engine`. Every size has a hub of its own, which finds its servers running (`bench.crowd`). All is on one
machine, and the fake engine and the client take the processor that the hub leaves them.

    python -m bench scale
"""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2

from bench.crowd import Crowd, crowd
from bench.fake_engine import user_name
from bench.gateway_latency import ask as ask_mcp
from bench.gateway_latency import megabytes
from bench.record import Samples, Table, quantiles
from bench.stage import Stage

SIZES = (100, 1000, 2000, 3500, 5000)
BATCH = 20
"""Servers started one batch after the other."""

AT_ONCE = 10
"""How many of a batch at the same time."""

CALLS = 10
"""Requests of each kind a turn."""

LOOKS_S = 30.0
"""JupyterHub's `poll_interval`: within it the hub looks at every server once."""

IN_DATABASE = "bench_database_seconds_total"
"""Metric of `bench.database_clock`."""

ONE_USER, PAGE = "REST: one user", "REST: page of 50 users"
STATUS, SESSION, TOOLS = "proxy: a server's status", "gateway: session", "gateway: MCP tools/list"
CALLED = (ONE_USER, PAGE, STATUS, SESSION, TOOLS)


def seconds_of_cpu(process: int) -> float:
    """CPU time that a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: int) -> float:
    """Resident memory of a process, in megabytes."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())[0]) / 1024


SWEEPING, NOT_SWEEPING = "with the sweep for orphans", "without it"
SWEPT = 1000
"""Most servers with which a hub is started that sweeps: that takes a time that grows with their square."""


class Growth:
    """The tables, filled size by size."""

    def __init__(self) -> None:
        lines = {"plot": "lines"}
        self.rate = Table("Servers that one hub starts", "starts/s", ["starts"], **lines)  # type: ignore[arg-type]
        self.latency = Table("Latency of a hub with many servers", "ms", list(CALLED), **lines)  # type: ignore[arg-type]
        self.slow = Table("Latency that one request in twenty exceeds", "ms", list(CALLED), **lines)  # type: ignore[arg-type]
        self.cpu = Table("CPU of a hub whose users do nothing", "% of a core", ["hub", "of it SQL", "proxy"], **lines)  # type: ignore[arg-type]
        self.memory = Table("Memory of hub, proxy and gateway", "MB", ["hub", "proxy", "gateway"], **lines)  # type: ignore[arg-type]
        self.database = Table("Time in the database for one start", "ms", ["SQL"], plot="")
        self.restart = Table("Restart of a hub, until it has found all servers", "s", [SWEEPING, NOT_SWEEPING], **lines)  # type: ignore[arg-type]

    @property
    def tables(self) -> list[Table]:
        """All of them."""
        return [self.rate, self.latency, self.slow, self.cpu, self.memory, self.database, self.restart]


async def timed(call: Callable[[], Awaitable[httpx2.Response]]) -> float:
    """Milliseconds of a request that succeeds."""
    began = time.perf_counter()
    answer = await call()
    took = 1000 * (time.perf_counter() - began)
    answer.raise_for_status()
    return took


async def latencies(running: Crowd, runs: int, looks_s: float) -> dict[str, Samples]:
    """Milliseconds of requests, one after the other, while nothing else is asked."""
    name = user_name(0)
    token = running.api("POST", f"users/{name}/tokens", json={"note": "bench"}).json()["token"]
    url = running.hub.url
    times: dict[str, Samples] = {called: [] for called in CALLED}
    async with AsyncExitStack() as stack:
        admin, user = [
            await stack.enter_async_context(
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {one}"}, timeout=120, trust_env=False)
            )
            for one in (running.admin, token)
        ]
        calls: dict[str, Callable[[], Awaitable[float]]] = {
            ONE_USER: lambda: timed(lambda: admin.get(f"{url}/hub/api/users/{name}")),
            PAGE: lambda: timed(lambda: admin.get(f"{url}/hub/api/users?limit=50")),
            STATUS: lambda: timed(lambda: user.get(f"{url}/user/{name}/p2m/status")),
            SESSION: lambda: timed(lambda: user.get(f"{url}/services/p2m/user/session")),
            TOOLS: lambda: ask_mcp(user, f"{url}/services/p2m/mcp", "tools/list"),
        }
        for run in range(runs + 1):
            for called, call in calls.items():
                taken = [await call() for _ in range(CALLS)]
                if run:  # the first turn warms up
                    times[called].extend(taken)
            await asyncio.sleep(looks_s / (runs + 1))
    return times


async def start_batch(running: Crowd, names: list[str]) -> float:
    """Start servers; return how many a second became ready."""
    turns = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {running.admin}"}
    async with httpx2.AsyncClient(headers=headers, timeout=120, trust_env=False) as http:

        async def start(name: str) -> None:
            async with turns:
                server = f"{running.hub.url}/hub/api/users/{name}/server"
                answer = await http.post(server)
                if answer.status_code == 202:  # it takes longer than the hub lets a request wait
                    answer = await http.get(f"{server}/progress")
                    assert '"ready": true' in answer.text, answer.text
                answer.raise_for_status()

        began = time.monotonic()
        await asyncio.gather(*map(start, names))
        return len(names) / (time.monotonic() - began)


def row_of(size: int) -> str:
    """Name of a row."""
    return f"{size:,} active servers"


def processes(running: Crowd) -> dict[str, int]:
    """Ids of the hub's process, the proxy's, and the gateway's that supervises."""
    assert running.hub.process
    files = {name: int((running.hub.state_dir / f"{name}.pid").read_text()) for name in ("proxy", "gateway")}
    return {"hub": running.hub.process.pid, **files}


def idle(growth: Growth, running: Crowd, size: int, looks_s: float) -> None:
    """Measure CPU and memory while nobody does anything."""
    of = processes(running)

    def used() -> tuple[float, float, float]:
        return seconds_of_cpu(of["hub"]), running.metric(IN_DATABASE), seconds_of_cpu(of["proxy"])

    time.sleep(looks_s)  # the first looks after a restart come all at once, and `looks_s` after it
    before, began = used(), time.monotonic()
    time.sleep(looks_s)
    after, took = used(), time.monotonic() - began
    row = row_of(size)
    for column, a, b in zip(growth.cpu.columns, before, after, strict=True):
        growth.cpu.add(row, column, [100 * (b - a) / took])
    growth.memory.add(row, "hub", [resident(of["hub"])])
    growth.memory.add(row, "proxy", [resident(of["proxy"])])
    growth.memory.add(row, "gateway", [megabytes(of["gateway"])])


def at_size(growth: Growth, running: Crowd, size: int, runs: int, looks_s: float, batch: int) -> None:
    """Measure at one size."""
    row = row_of(size)
    growth.restart.add(row, NOT_SWEEPING, [running.known_after])
    idle(growth, running, size, looks_s)
    for called, times in asyncio.run(latencies(running, runs, looks_s)).items():
        growth.latency.add(row, called, times)
        growth.slow.add(row, called, [quantiles(times)[-2]])
    for run in range(runs + 1):
        names = [f"new{run}-{number}" for number in range(batch)]
        running.api("POST", "users", json={"usernames": names})
        before_batch = running.metric(IN_DATABASE)
        rate = asyncio.run(start_batch(running, names))
        in_database = running.metric(IN_DATABASE) - before_batch
        if run:  # the first warms up
            growth.rate.add(row, "starts", [rate])
            growth.database.add(row, "SQL", [1000 * in_database / batch])


def measure(
    stage: Stage,
    runs: int = 5,
    sizes: tuple[int, ...] = SIZES,
    looks_s: float = LOOKS_S,
    batch: int = BATCH,
    swept: int = SWEPT,
) -> list[Table]:
    """Let the hub grow.

    Args:
        stage: Not used: every size has a hub of its own.
        runs: Turns at each size.
        sizes: How many servers are active.
        looks_s: Seconds over which CPU is measured while nobody does anything, and then latencies, so that they meet
            all of what the hub does by itself.
        batch: Servers started one batch after the other.
        swept: Most servers with which a hub that sweeps is restarted as well.
    """
    growth = Growth()
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, crowd(Path(folder), size, sweep=False) as running:
            at_size(growth, running, size, runs, looks_s, batch)
        if size <= swept:
            with tempfile.TemporaryDirectory() as folder, crowd(Path(folder), size, sweep=True) as running:
                growth.restart.add(row_of(size), SWEEPING, [running.known_after])
    return growth.tables
