"""Short work on one machine of the cluster: a service that runs once, with nobody's code but the image's own.

A manager can tell Swarm what runs where, and cannot reach the engines of the machines themselves: what has to be done
to a volume there is done by such a job.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from docker.errors import NotFound
from docker.types import ContainerSpec, EndpointSpec, Mount, Placement, RestartPolicy, TaskTemplate

from ..docker_engine import DockerEngine
from .cluster import tasks_of
from .nodes import Node
from .service import NO_HEALTH_CHECK, SECOND
from .tasks import Task, latest

LOOK_S = 0.2

REMOVAL_S = 60.0
"""Seconds that the removal of a volume may take."""

SOCKET_IN_JOB = "/run/docker.sock"


class JobFailed(Exception):
    """A job that did not do what it should; the text is the operator's."""


@dataclass(frozen=True)
class Job:
    """What runs once.

    Attributes:
        node: Where.
        image: What nodes understand as the image.
        command: Program and arguments.
        mounts: What it works on.
        user: ``uid:gid``.
        environment: For it; may hold secrets.
        networks: Overlay networks on which it is, by the service's name.
        name: Of the service.
    """

    node: Node
    image: str
    command: Sequence[str]
    mounts: Sequence[Mount] = ()
    user: str = "1000:1000"
    environment: Mapping[str, str] = field(default_factory=dict)
    networks: Sequence[str] = ()
    name: str = field(default_factory=lambda: f"p2m-job-{secrets.token_hex(6)}")


async def run_job(engine: DockerEngine, job: Job, seconds: float) -> str:
    """Run a job to its end.

    Args:
        engine: A manager.
        job: What and where.
        seconds: Deadline.

    Returns:
        What it printed.

    Raises:
        JobFailed: It ended otherwise than with 0, or not in time.
        docker.errors.DockerException, OSError: No manager answers.
    """
    service_id = await start_job(engine, job)
    try:
        task = await _ended(engine, service_id, seconds)
        output = await engine.run(log_of, service_id, 100) if task and task.state in ("complete", "failed") else ""
    finally:
        await remove_job(engine, service_id)
    if task is None or task.state != "complete":
        told = f"{task.state}: {task.error or task.message}" if task else f"not within {seconds:g} s"
        raise JobFailed(f"{' '.join(job.command[:1])} on {job.node.hostname}: {told}. {output}".strip())
    return output


async def start_job(engine: DockerEngine, job: Job) -> str:
    """Have a job begin; returns the service's id, with which `remove_job` ends it.

    Raises:
        docker.errors.DockerException, OSError: No manager answers, or it refuses.
    """
    container = ContainerSpec(
        job.image,
        command=list(job.command),
        env=dict(job.environment),
        user=job.user,
        mounts=list(job.mounts),
        read_only=True,
        cap_drop=["ALL"],
        healthcheck=NO_HEALTH_CHECK,
        stop_grace_period=SECOND,
    )
    task = TaskTemplate(
        container,
        restart_policy=RestartPolicy("none"),
        networks=list(job.networks),
        placement=Placement(constraints=[f"node.id == {job.node.id}"]),
    )
    endpoint = EndpointSpec(mode="dnsrr")
    labels = {"p2m.job": job.node.hostname}
    made = await engine.call("create_service", task, name=job.name, endpoint_spec=endpoint, labels=labels)
    return str(made["ID"])


async def remove_job(engine: DockerEngine, service_id: str) -> None:
    """End a job, whether it has done its work or not."""
    with suppress(NotFound):
        await engine.call("remove_service", service_id)


async def _ended(engine: DockerEngine, service_id: str, seconds: float) -> Task | None:
    """The task once it has ended; None when it has not in time."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        task = latest(await engine.run(tasks_of, service_id))
        if task and task.has_ended:
            return task
        await asyncio.sleep(LOOK_S)
    return None


def log_of(client: Any, service_id: str, lines: int) -> str:
    """The last lines that a service printed.

    Raises:
        docker.errors.DockerException, OSError: They are not to be had.
    """
    output = client.service_logs(service_id, stdout=True, stderr=True, tail=lines, is_tty=False)
    return b"".join(output).decode("utf-8", "replace")


def removal_of_volume(node: Node, image: str, volume: str, socket: str) -> Job:
    """The job that removes a volume of a machine.

    Args:
        node: The machine.
        image: An image with curl.
        volume: Name of the volume; one that does not exist counts as removed.
        socket: Path of the engine's socket on the machine.
    """
    url = f"http://docker/volumes/{quote(volume, safe='')}"
    # 404: there is none. Each other answer but 204 is printed, and the job fails.
    script = (
        'answer=$(curl --silent --show-error --unix-socket "$1" --write-out "%{http_code}" --request DELETE "$2") '
        '|| exit 1; case "$answer" in *204 | *404) ;; *) echo "$answer" >&2; exit 1 ;; esac'
    )
    return Job(
        node,
        image,
        ["sh", "-c", script, "sh", SOCKET_IN_JOB, url],
        [Mount(SOCKET_IN_JOB, socket, type="bind")],
        user="0:0",
    )


async def remove_volume(engine: DockerEngine, removal: Job, seconds: float = 30.0) -> None:
    """Remove a volume, again while a container that has just ended still holds it.

    Raises:
        JobFailed: It is still there after ``seconds``.
    """
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await run_job(engine, removal, REMOVAL_S)
            return
        except JobFailed:
            if asyncio.get_running_loop().time() > end:
                raise
        await asyncio.sleep(1)
