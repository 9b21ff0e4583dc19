"""Round trip of `get_scene_info`, layer by layer: Blender's sockets, MCP in the container, through hub and gateway.

Upstream's add-on beside it answers on the raw socket of a Blender of its own. All take turns, so that a slow minute of
the machine hits all; each keeps one connection.

    python -m bench roundtrip
"""

import asyncio

import httpx2

from bench.gateway_latency import ask as ask_mcp
from bench.record import Table
from bench.stage import OURS, Stage
from bench.upstream import NAME as THEIRS
from bench.upstream import ask
from tests.support.hub import Person

COMMAND = "get_scene_info"
INSIDE = {"raw socket": "tcp", "unix socket": "unix", "MCP in the container": "mcp"}
THROUGH_HUB, THROUGH_GATEWAY = "MCP through the hub", "MCP through the gateway"


async def over_http(person: Person, url: str, calls: int) -> list[float]:
    """Milliseconds of each call."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        await ask_mcp(http, url, "tools/call")  # opens the connection
        times = []
        for _ in range(calls):
            await asyncio.sleep(0.01)
            times.append(await ask_mcp(http, url, "tools/call"))
        return times


def measure(stage: Stage, runs: int = 5, calls: int = 60) -> list[Table]:
    """Ask in turns.

    Args:
        stage: What it runs on.
        runs: Turns of each; one more before them warms up.
        calls: Calls a turn.
    """
    table = Table("Round trip of a tool that asks Blender", "ms", [OURS, THEIRS], ratio=(OURS, THEIRS))
    person, other = stage.person, stage.upstream
    urls = {THROUGH_HUB: person.mcp_url, THROUGH_GATEWAY: f"{person.hub.url}/services/p2m/mcp"}
    for number in range(runs + 1):
        turn = {name: ask(person.container(), wire, "trips", COMMAND, calls) for name, wire in INSIDE.items()}
        turn |= {name: asyncio.run(over_http(person, url, calls)) for name, url in urls.items()}
        theirs = ask(other, "tcp", "trips", COMMAND, calls)
        if number:
            for name, times in turn.items():
                table.add(name, OURS, times)
            table.add("raw socket", THEIRS, theirs)
    return [table]
