"""Spawn POST → MCP `tools/list` answered: ours, and stock DockerSpawner on the same image, in one run.

Both hubs run at the same time and take turns, so that a slow minute of the machine hits both. Stock DockerSpawner
says *ready* when JupyterLab answers; from then on this program asks for the tools until Blender's MCP server gives
them, as a user of such a hub would have to. The floor is `docker run` of the same image until Blender answers a ping
on its published socket.

    python -m bench.spawn [runs]
"""

import asyncio
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import docker
import requests

from tests.support.hub import Hub, Person
from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client
from tests.support.waiting import wait_for

DEADLINE = 120.0
FLOOR = "docker run, no hub"


def lists_tools(person: Person) -> bool:
    """Whether the person's MCP endpoint answers `tools/list` now, with Blender behind it."""

    async def ask() -> bool:
        async with mcp_client(person.mcp_url, person.token) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool("get_scene_info", {})
            return bool(tools) and not result.is_error

    headers = {"Authorization": f"Bearer {person.token}"}
    if requests.get(person.server_url("p2m/status"), headers=headers, timeout=5).status_code != 200:
        return False
    try:
        return asyncio.run(ask())
    except Exception:  # noqa: BLE001 - the SDK raises groups of many kinds while the server is coming up
        return False


def spawn(person: Person) -> tuple[float, float]:
    """Start the server once.

    Returns:
        Seconds from the POST until the hub says ready, and until MCP answers.
    """
    began = time.monotonic()
    person.request_server()
    wait_for(person.is_ready, DEADLINE, "server", interval=0.02)
    ready = time.monotonic() - began
    wait_for(lambda: lists_tools(person), DEADLINE, "MCP", interval=0.02)
    answered = time.monotonic() - began
    person.stop_server()
    return ready, answered


def docker_run() -> tuple[float, float]:
    """Run the image without any hub.

    Returns:
        Seconds until `docker run` returns, and until Blender answers.
    """
    engine = docker.from_env()
    began = time.monotonic()
    container = engine.containers.run(
        IMAGE,
        environment={"P2M_BLENDER_TCP_HOST": "0.0.0.0"},  # noqa: S104 - inside the container
        ports={"9876/tcp": ("127.0.0.1", None)},
        detach=True,
    )
    try:
        started = time.monotonic() - began
        container.reload()
        port = int(container.ports["9876/tcp"][0]["HostPort"])
        wait_for(lambda: answers_ping(port), DEADLINE, "ping", interval=0.02)
        return started, time.monotonic() - began
    finally:
        container.remove(force=True, v=True)


def answers_ping(port: int) -> bool:
    """Whether Blender answers on its raw socket."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as blender:
        blender.sendall(b'{"type": "ping", "params": {}}')
        return b"success" in blender.recv(4096)


def run(runs: int) -> str:
    """Measure, and return the table (Markdown)."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Hub(Path(folder) / "ours")
        stock = Hub(Path(folder) / "stock", command=(".venv/bin/jupyterhub", "-f", "bench/stock_hub_config.py"))
        hubs = {"p2m-spawner": ours, "stock DockerSpawner": stock}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in (*hubs, FLOOR)}
        try:
            people = {name: hub.start().person("bench").sign_up().log_in() for name, hub in hubs.items()}
            for person in people.values():
                spawn(person)  # warm: volume, page cache
            for _ in range(runs):
                for name, person in people.items():
                    times[name].append(spawn(person))
                times[FLOOR].append(docker_run())
        finally:
            for hub in hubs.values():
                hub.down()
    return table(times)


def table(times: dict[str, list[tuple[float, float]]]) -> str:
    """The measurements as Markdown: medians in seconds, and the ratio to stock DockerSpawner."""
    median = {
        name: tuple(statistics.median(column) for column in zip(*rows, strict=True)) for name, rows in times.items()
    }
    base = median["stock DockerSpawner"]
    lines = [
        "| from the request until … (median, s) | server started | Blender answers | ratio | all runs |",
        "|---|---|---|---|---|",
    ]
    for name, (ready, answered) in median.items():
        every = " ".join(f"{row[1]:.2f}" for row in times[name])
        lines.append(f"| {name} | {ready:.2f} | {answered:.2f} | {answered / base[1]:.2f} | {every} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(run(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
