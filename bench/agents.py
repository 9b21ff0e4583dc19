"""Throughput of several agents on one Blender: MCP calls a second with 1, 2, 4 and 8 clients at the same time.

Every agent has a connection of its own to the MCP server of one container and asks for the scene again as soon as it
has the answer. Blender runs commands one at a time, on its main thread.

    python -m bench agents
"""

import asyncio
import time

import httpx2

from bench.gateway_latency import ask
from bench.record import Samples, Table
from bench.stage import Stage
from tests.support.blenders import RunningBlender


async def agent(blender: RunningBlender, until: float, times: Samples) -> None:
    """Ask until a moment; keep the milliseconds of each call."""
    async with httpx2.AsyncClient(headers=blender.headers, timeout=60, trust_env=False) as http:
        while time.monotonic() < until:
            times.append(await ask(http, f"{blender.url}p2m/mcp", "tools/call"))


async def together(blender: RunningBlender, agents: int, seconds: float) -> Samples:
    """Milliseconds of all calls of so many agents."""
    times: Samples = []
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(agents):
            group.create_task(agent(blender, until, times))
    return times


def measure(stage: Stage, runs: int = 5, seconds: float = 3.0, counts: tuple[int, ...] = (1, 2, 4, 8)) -> list[Table]:
    """Let agents work together.

    Args:
        stage: What it runs on.
        runs: Times each number of agents, in turns.
        seconds: How long each time.
        counts: Numbers of agents.
    """
    modes = {"desktop": stage.desktop, "headless": stage.headless}
    rate = Table("Agents on one Blender: calls in all", "calls/s", list(modes), plot="lines")
    latency = Table("Agents on one Blender: one call", "ms", list(modes), plot="")
    for name, blender in modes.items():
        asyncio.run(together(blender, 1, seconds))  # warms up
        for _ in range(runs):
            for count in counts:
                times = asyncio.run(together(blender, count, seconds))
                row = f"{count} agents" if count > 1 else "1 agent"
                rate.add(row, name, [len(times) / seconds])
                latency.add(row, name, times)
    return [rate, latency]
