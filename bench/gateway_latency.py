"""What the one MCP address costs: latency over a user's own URL, and memory for many idle streams, in one run.

The same client takes turns between `/user/NAME/p2m/mcp` and `/services/p2m/mcp`, so that a slow minute of the machine
hits both; connections are kept. The calls are of the protocol without sessions: `tools/list`, and a tool that asks
Blender. Then clients of the older protocol each open the stream on which a server speaks unasked, and leave it idle.

    python -m bench gateway_latency
"""

import asyncio
import re
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2

from bench.record import Table
from bench.stage import Stage
from tests.support.hub import Person

CALLS = 20
"""Calls a round, address and method."""

STREAMS = 200
OPENED_WITHIN = 10.0
"""Seconds for one stream: less than the 15 s after which a server says by itself that it is there."""

OWN, ONE = "own URL", "one MCP address"
BEFORE, DURING = "before", "with streams"
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


async def latencies(http: httpx2.AsyncClient, urls: list[str], runs: int) -> dict[str, list[list[float]]]:
    """Milliseconds by method, for each URL."""
    times: dict[str, list[list[float]]] = {method: [[] for _ in urls] for method in METHODS}
    for number in range(runs + 1):
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


async def compare(person: Person, runs: int, streams: int) -> list[Table]:
    """All measurements of somebody whose server runs."""
    latency = Table("One call at one's own URL and at the one MCP address", "ms", [OWN, ONE], ratio=(OWN, ONE))
    memory = Table(f"Gateway's memory, before and with {streams} idle streams", "MB", [BEFORE, DURING], plot="")
    gateway = f"{person.hub.url}/services/p2m/mcp"
    supervisor = int((person.hub.state_dir / "gateway.pid").read_text())
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {person.token}"}, timeout=120, limits=limits, trust_env=False
    ) as http:
        for method, of_urls in (await latencies(http, [person.mcp_url, gateway], runs)).items():
            for column, times in zip((OWN, ONE), of_urls, strict=True):
                latency.add(method, column, times)
        memory.add("resident", BEFORE, [megabytes(supervisor)])
        async with AsyncExitStack() as stack:
            for _ in range(streams):
                await open_stream(http, gateway, stack)
            memory.add("resident", DURING, [megabytes(supervisor)])
    return [latency, memory]


def measure(stage: Stage, runs: int = 10, streams: int = STREAMS) -> list[Table]:
    """Ask in turns, then open streams.

    Args:
        stage: What it runs on.
        runs: Turns of each URL; one more before them warms up.
        streams: How many idle streams are opened.
    """
    return asyncio.run(compare(stage.person, runs, streams))
