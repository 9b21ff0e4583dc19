"""Ten users at once: how long until all have their server, and how long somebody else's stop takes meanwhile.

Ours and stock DockerSpawner on the same image and machine, one after the other in one run. Stock says *ready* when
JupyterLab answers, ours when Blender, its MCP server and its desktop do; the second column asks the same of both: when
all ten Blenders are ready. The bystander has a server and stops it half a second after the ten have asked for theirs.

    python -m bench ten_users
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from bench.record import Table
from bench.stage import DEADLINE, OURS, STOCK, Stage
from tests.support.hub import Hub, Person
from tests.support.waiting import wait_for

STOP_AFTER_S = 0.5


@dataclass(frozen=True)
class Rush:
    """What one side needed, in seconds.

    Attributes:
        all_started: From the first request until the hub says of all servers that they are ready.
        all_blenders: From the first request until all of them say that their Blender is.
        stop: From the bystander's request to stop until their server is gone.
    """

    all_started: float
    all_blenders: float
    stop: float


def rush(hub: Hub, users: int) -> Rush:
    """Let many start at once while one stops."""
    people = [hub.person("rush").sign_up().log_in() for _ in range(users)]
    bystander = hub.person("bystander").sign_up().log_in().start_server()
    with ThreadPoolExecutor(2 * users + 1) as threads:
        began = time.monotonic()
        asked = [threads.submit(person.request_server) for person in people]
        time.sleep(STOP_AFTER_S)
        stopping = threads.submit(took, bystander.stop_server)
        ready = [future.result() for future in [threads.submit(when_ready, person) for person in people]]
        for future in asked:
            future.result()
        for future in [threads.submit(person.stop_server) for person in people]:
            future.result()
        started, blenders = (max(moments) - began for moments in zip(*ready, strict=True))
        return Rush(started, blenders, stopping.result())


def when_ready(person: Person) -> tuple[float, float]:
    """Wait for a person's server, then for its Blender; return when each was there."""
    wait_for(person.is_ready, DEADLINE, f"server of {person.name}", interval=0.2)
    started = time.monotonic()
    wait_for(lambda: blender_is_ready(person), DEADLINE, f"Blender of {person.name}", interval=0.2)
    return started, time.monotonic()


def took(act: Callable[[], object]) -> float:
    """Seconds that something took."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def blender_is_ready(person: Person) -> bool:
    """Whether the person's server says that its Blender is ready."""
    headers = {"Authorization": f"Bearer {person.token}"}
    answer = requests.get(person.server_url("p2m/status"), headers=headers, timeout=30, allow_redirects=False)
    return answer.status_code == 200 and bool(answer.json()["ready"])


def measure(stage: Stage, runs: int = 5, users: int = 10, sides: tuple[str, ...] = (STOCK, OURS)) -> list[Table]:
    """Let many start at once on each side, in turns.

    Args:
        stage: What it runs on.
        runs: Times on each side.
        users: How many.
        sides: Whose hub; the order changes with each run.
    """
    table = Table(f"{users} users at once", "s", [OURS, STOCK], ratio=(OURS, STOCK))
    for run in range(runs):
        for side in sides[:: -1 if run % 2 else 1]:
            seen = rush(stage.hub(side), users)
            table.add("until all servers have started", side, [seen.all_started])
            table.add("until all Blenders are ready", side, [seen.all_blenders])
            table.add("meanwhile, somebody else's stop", side, [seen.stop])
    return [table]
