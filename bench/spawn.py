"""Spawn POST → MCP `tools/list` answered: ours and stock DockerSpawner on the same image, in one run, and its parts.

Both hubs run at the same time and take turns, so that a slow minute of the machine hits both. Stock DockerSpawner
says *ready* when JupyterLab answers; from then on this program asks for the tools until Blender's MCP server gives
them, as a user of such a hub would have to. The floor is `docker run` of the same image until Blender answers a ping
on its published socket.

    python -m bench spawn
"""

import asyncio
import json
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import requests

from bench.moments import moments
from bench.record import Table
from bench.stage import DEADLINE, OURS, STOCK, Stage
from p2m_spawner.readiness import describe
from tests.support.hub import Person
from tests.support.image import IMAGE
from tests.support.mcp_client import mcp_client
from tests.support.waiting import wait_for

FLOOR = "docker run, no hub"
SIDES = (OURS, STOCK, FLOOR)

SERVER_STARTED, BLENDER_ANSWERS = "server started", "Blender answers"
FIRST_ANSWER = "first HTTP answer to the hub"

NO_ANSWER_YET = describe(None)[1]
"""What our hub tells while the server does not answer."""

Run = dict[str, float]
"""Seconds from the request until each thing had happened."""


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


def spawn(person: Person, container_name: str) -> Run:
    """Start the server once and stop it again."""
    began = time.time()
    told = follow_start(person)
    wait_for(lambda: lists_tools(person), DEADLINE, "MCP", interval=0.02)
    answered = time.time()
    seen = moments(docker.from_env().containers.get(container_name))
    # What the hub tells after this has come with the first answer.
    waited = next((at for at, event in told if event["message"] == NO_ANSWER_YET), None)
    if waited:
        seen[FIRST_ANSWER] = next(at for at, _ in told if at > waited)
    person.stop_server()
    return since(began, {**seen, SERVER_STARTED: told[-1][0], BLENDER_ANSWERS: answered})


def follow_start(person: Person) -> list[tuple[float, dict[str, Any]]]:
    """Ask for the server; return what the hub tells until it is ready, and when it came."""
    with ThreadPoolExecutor(1) as asking:
        asked = asking.submit(person.request_server)
        path = f"users/{person.name}/server/progress"
        events = wait_for(lambda: person.api("GET", path, stream=True), DEADLINE, "start", interval=0.01)
        lines = ((time.time(), line) for line in events.iter_lines(chunk_size=1) if line.startswith(b"data:"))
        told = [(at, json.loads(line.removeprefix(b"data:"))) for at, line in lines]
        asked.result()
    assert told[-1][1].get("ready"), told
    return told


def docker_run() -> Run:
    """Run the image without any hub until Blender answers."""
    engine = docker.from_env()
    began = time.time()
    container = engine.containers.run(
        IMAGE,
        environment={"P2M_BLENDER_TCP_HOST": "0.0.0.0"},  # noqa: S104 - inside the container
        ports={"9876/tcp": ("127.0.0.1", None)},
        detach=True,
    )
    try:
        started = time.time()
        container.reload()
        port = int(container.ports["9876/tcp"][0]["HostPort"])
        wait_for(lambda: answers_ping(port), DEADLINE, "ping", interval=0.02)
        answered = time.time()
        wait_for(lambda: b" is running at:" in container.logs(), DEADLINE, "Jupyter", interval=0.1)
        return since(began, {**moments(container), SERVER_STARTED: started, BLENDER_ANSWERS: answered})
    finally:
        container.remove(force=True, v=True)


def since(began: float, moments: Run) -> Run:
    """Moments as seconds since another one."""
    return {name: at - began for name, at in moments.items()}


def answers_ping(port: int) -> bool:
    """Whether Blender answers on its raw socket."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as blender:
        blender.sendall(b'{"type": "ping", "params": {}}')
        return b"success" in blender.recv(4096)


def container_name(side: str, person: Person) -> str:
    """Name of a person's container."""
    return f"{'p2m' if side == OURS else 'p2m-stock'}-{person.name}"


def measure(stage: Stage, runs: int = 5, warm_ups: int = 1, sides: tuple[str, ...] = SIDES) -> list[Table]:
    """Start servers in turns.

    Args:
        stage: What it runs on.
        runs: Counted starts of each side.
        warm_ups: Starts of each before them, for volumes and page cache.
        sides: Of `SIDES`, ours among them.

    Returns:
        The whole start, and the moments in it.
    """
    whole = Table("From the request until Blender answers over MCP", "s", list(SIDES), ratio=(OURS, STOCK))
    parts = Table("Where the time of a start goes", "s", list(SIDES), plot="steps")
    measured: dict[str, list[Run]] = {name: [] for name in sides}
    people = {side: stage.hub(side).person("start").sign_up().log_in() for side in sides if side != FLOOR}
    for turn in range(runs + warm_ups):
        ran = {name: spawn(person, container_name(name, person)) for name, person in people.items()}
        if FLOOR in sides:
            ran[FLOOR] = docker_run()
        if turn >= warm_ups:
            for name, run in ran.items():
                measured[name].append(run)
    for moment in (SERVER_STARTED, BLENDER_ANSWERS):
        for name, of_side in measured.items():
            whole.add(moment, name, [run[moment] for run in of_side])
    for moment in sorted(measured[OURS][0], key=lambda moment: median(measured[OURS], moment)):
        for name, of_side in measured.items():
            if moment in of_side[0]:
                parts.add(moment, name, [run[moment] for run in of_side if moment in run])
    return [whole, parts]


def median(runs: list[Run], stage: str) -> float:
    """The median of one stage, in seconds."""
    return statistics.median(run[stage] for run in runs if stage in run)
