"""What a swarm is asked for: one service a user, in the words of Docker's API. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from docker.types import (
    ContainerSpec,
    DriverConfig,
    EndpointSpec,
    Healthcheck,
    Mount,
    Placement,
    Resources,
    RestartPolicy,
)
from docker.types import TaskTemplate as Task

from ..docker_options import LOG_CONFIG, Options, merged
from .nodes import NOTHING, Room

NO_HEALTH_CHECK = Healthcheck(test=["NONE"])
"""Swarm ends what is unhealthy, and shows it as running only after the first check; the hub looks for itself."""

SECOND = 10**9
"""In nanoseconds, as the API counts."""

STOP_S = 10
"""Seconds that Blender has to save and end, as with ``docker stop``."""

RESTARTS = 3
"""How often Swarm starts a server again, elsewhere if need be, that failed or whose machine is away…"""

RESTARTS_WITHIN_S = 600
"""…within so many seconds; afterwards the hub says why it ended."""


@dataclass(frozen=True)
class Wish:
    """All that a user's service is made of.

    Attributes:
        name: Of the service; with an overlay network its host name, too.
        image: Reference, or id of an image that nodes have.
        environment: For the container.
        args: Its command.
        labels: Of the service and its containers.
        mounts: The home and what an operator mounts beside it.
        networks: Names of overlay networks; none: each node's own bridge.
        port: On which the Jupyter server listens.
        published: The port of the node on which that is reached; None: by the network only.
        constraints: Each of which the node meets.
        preferences: Labels of nodes over whose values servers are spread.
        limits: Cores, in 10⁻⁹, bytes and processes: ``NanoCPUs``, ``MemoryBytes``, ``Pids``; what is left out has none.
        reserved: What the node keeps for it.
        moves: Whether Swarm starts it on another node when its own is away.
    """

    name: str
    image: str
    environment: Mapping[str, str]
    args: list[str]
    labels: Mapping[str, str]
    mounts: list[Mount]
    port: int
    published: int | None
    networks: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    preferences: list[str] = field(default_factory=list)
    limits: Mapping[str, int] = field(default_factory=dict)
    reserved: Room = NOTHING
    moves: bool = False


@dataclass(frozen=True)
class Extra:
    """An operator's own keyword arguments of docker-py's types, laid over ours: SwarmSpawner's five options."""

    container: Options = field(default_factory=dict)
    resources: Options = field(default_factory=dict)
    placement: Options = field(default_factory=dict)
    task: Options = field(default_factory=dict)
    endpoint: Options = field(default_factory=dict)


def service_arguments(wish: Wish, extra: Extra) -> Options:
    """Keyword arguments of :meth:`docker.APIClient.create_service`."""
    container = {
        "image": wish.image,
        "env": dict(wish.environment),
        "args": wish.args,
        "labels": dict(wish.labels),  # for `docker ps` on the machine
        # The API cannot say who owns a tmpfs: /run is a volume that comes and goes with the container.
        "mounts": [*wish.mounts, Mount("/run", None), Mount("/tmp", None, type="tmpfs", tmpfs_size=2**30)],  # noqa: S108
        "read_only": True,
        "cap_drop": ["ALL"],
        "stop_grace_period": STOP_S * SECOND,
        "healthcheck": NO_HEALTH_CHECK,
    }
    resources = {
        "mem_reservation": wish.reserved.memory or None,
        "cpu_reservation": wish.reserved.nano_cpus or None,
        "generic_resources": dict(wish.reserved.generic) or None,
    }
    placement = {"constraints": wish.constraints, "preferences": [("spread", label) for label in wish.preferences]}
    restart = (
        RestartPolicy("on-failure", SECOND, RESTARTS, RESTARTS_WITHIN_S * SECOND)
        if wish.moves
        else RestartPolicy("none")
    )
    container_spec = ContainerSpec(**merged(container, extra.container))
    # Engines before 27 do not know it; there it is a setting of the node's daemon.
    container_spec.setdefault("Privileges", {})["NoNewPrivileges"] = True
    resources_spec = Resources(**merged(resources, extra.resources))
    resources_spec["Limits"] = {**wish.limits, **resources_spec.get("Limits", {})}
    endpoint = EndpointSpec(**merged({"mode": "dnsrr"}, extra.endpoint))
    if wish.published is not None:
        endpoint.setdefault("Ports", []).append(_published(wish.port, wish.published))
    task = {
        "container_spec": container_spec,
        "resources": resources_spec,
        "restart_policy": restart,
        "placement": Placement(**merged(placement, extra.placement)),
        "networks": wish.networks,
        "log_driver": DriverConfig(LOG_CONFIG["Type"], LOG_CONFIG["Config"]),
    }
    return {
        "task_template": Task(**merged(task, extra.task)),
        "name": wish.name,
        "labels": dict(wish.labels),
        "endpoint_spec": endpoint,
    }


def _published(port: int, published: int) -> Options:
    """A port of the node itself: the ingress mesh needs IPVS, and would lead by way of any node."""
    return {"Protocol": "tcp", "TargetPort": port, "PublishedPort": published, "PublishMode": "host"}


def published_ports(services: Iterable[Mapping[str, Any]]) -> set[int]:
    """All ports that services publish, whoever they belong to."""
    specs = (service["Spec"].get("EndpointSpec") or {} for service in services)
    return {port["PublishedPort"] for spec in specs for port in spec.get("Ports") or [] if "PublishedPort" in port}


def environment_lines(service: Mapping[str, Any]) -> list[str]:
    """The environment that a service was given, as ``NAME=value``."""
    return list(service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Env") or [])


def image_of(service: Mapping[str, Any]) -> str:
    """What a service runs."""
    return str(service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])
