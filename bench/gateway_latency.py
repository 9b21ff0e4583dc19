"""What the one MCP address costs: latency over a user's own URL, and memory for many idle streams, in one run.

The same client takes turns between `/user/NAME/p2m/mcp` and `/services/p2m/mcp`, so that a slow minute of the machine
hits both; connections are kept. The calls are of the protocol without sessions: `tools/list`, and a tool that asks
Blender. Then clients of the older protocol each open the stream on which a server speaks unasked, and leave it idle.

    python -m bench.gateway_latency [rounds [streams]]
"""

import asyncio
import re
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2

from tests.support.hub import Hub, Person

CALLS = 20
"""Calls a round, address and method."""

STREAMS = 200
OPENED_WITHIN = 10.0
"""Seconds for one stream: less than the 15 s after which a server says by itself that it is there."""

MOST_ADDED_MS = 10.0
MOST_MEGABYTES = 150.0
METHODS: dict[str, dict[str, Any]] = {
    "tools/list": {},
    "tools/call": {"name": "get_scene_info", "arguments": {}},
}
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "0"}}


async def ask(http: httpx2.AsyncClient, url: str, method: str) -> float:
    """Milliseconds of one request."""
    params = METHODS[method]
    headers = HEADERS | {"Mcp-Method": method} | ({"Mcp-Name": params["name"]} if "name" in params else {})
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
    began = time.perf_counter()
    answer = await http.post(url, json=message, headers=headers)
    took = 1000 * (time.perf_counter() - began)
    assert answer.is_success and '"result"' in answer.text, answer.text
    return took


async def latencies(http: httpx2.AsyncClient, urls: list[str], rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds by method, for each URL."""
    times: dict[str, list[list[float]]] = {method: [[] for _ in urls] for method in METHODS}
    for number in range(rounds + 1):
        for method, of_urls in times.items():
            for url, taken in zip(urls, of_urls, strict=True):
                measured = [await ask(http, url, method) for _ in range(CALLS)]
                if number:  # the first round warms up
                    taken.extend(measured)
    return times


def megabytes(supervisor: int) -> float:
    """Resident memory of the gateway: of the process that supervises, and of those that it has started."""
    served = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    statuses = [Path(f"/proc/{process_id}/status").read_text() for process_id in (supervisor, *served)]
    return sum(int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) for status in statuses) / 1024


async def open_stream(http: httpx2.AsyncClient, url: str, stack: AsyncExitStack) -> None:
    """Open a session and its stream, and keep it open."""
    headers = {"Accept": HEADERS["Accept"]}
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    async with asyncio.timeout(OPENED_WITHIN):
        opened = await http.post(url, json=message, headers=headers)
        headers["Mcp-Session-Id"] = opened.headers["Mcp-Session-Id"]
        stream = await stack.enter_async_context(http.stream("GET", url, headers=headers))
    assert stream.is_success, stream.status_code


async def measure(person: Person, hub: Hub, rounds: int, streams: int) -> str:
    """All measurements, as Markdown."""
    gateway = f"{hub.url}/services/p2m/mcp"
    supervisor = int((hub.state_dir / "gateway.pid").read_text())
    lines = ["| p50 of | own URL, ms | one URL, ms | ratio | added, ms | bound |", "|---|---|---|---|---|---|"]
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {person.token}"}, timeout=120, limits=limits, trust_env=False
    ) as http:
        for method, (own, one) in (await latencies(http, [person.mcp_url, gateway], rounds)).items():
            own_p50, one_p50 = statistics.median(own), statistics.median(one)
            figures = f"{own_p50:.1f} | {one_p50:.1f} | {one_p50 / own_p50:.2f} | {one_p50 - own_p50:.1f}"
            lines.append(f"| {method} | {figures} | {MOST_ADDED_MS:.0f} |")
        before = megabytes(supervisor)
        async with AsyncExitStack() as stack:
            for _ in range(streams):
                await open_stream(http, gateway, stack)
            during = megabytes(supervisor)
    lines += [
        "",
        f"Gateway's memory: {before:.0f} MB before, {during:.0f} MB with {streams} idle streams "
        f"({1024 * (during - before) / streams:.0f} kB each); bound {MOST_MEGABYTES:.0f} MB.",
    ]
    return "\n".join(lines)


def run(rounds: int = 10, streams: int = STREAMS) -> str:
    """Measure with a hub and a container of its own."""
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(Path(folder) / "state", P2M_MCP_TIMEOUT="90").start()
        try:
            person = hub.person("bench").sign_up().log_in().start_server()
            return asyncio.run(measure(person, hub, rounds, streams))
        finally:
            hub.down()


if __name__ == "__main__":
    print(run(*map(int, sys.argv[1:])))
