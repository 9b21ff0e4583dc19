"""``blender-swarm``: the mixin on SwarmSpawner. Says only how a Docker Swarm does it."""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from docker.types import DriverConfig, Mount
from traitlets import default

from ..docker_resources import mounts as shared_files
from ..errors import SpawnFailure, server_died
from ..host_ports import HostPorts
from ..on_docker import TOKEN_VARIABLE, Document, environment_of
from ..pull_progress import PullProgress
from .cluster import check_network, image_reference, is_no_manager, no_manager
from .jobs import log_of
from .nodes import Node, cluster_full
from .service import STOP_S, Extra, Wish, environment_lines, image_of, published_ports, service_arguments
from .tasks import LOOKING, Task, failure_of, image_is_missing, port_was_taken, sentence
from .upkeep import SwarmUpkeep

TRIES = 5
"""How many times a start is tried with other ports, or on another machine, before it has failed."""

LOOK_S = 0.1
"""Seconds between two looks at a service that starts or ends."""

NO_PLACE_S = 5.0
"""Seconds after which a service that Swarm's scheduler finds no place for is given up."""


class BlenderSwarmSpawner(SwarmUpkeep, HostPorts):
    """A service with Blender, its MCP server, JupyterLab and a desktop for each user."""

    @default("use_internal_ip")
    def _use_internal_ip_default(self) -> bool:
        # A hub in a container is on the overlay network, too; one on a manager's host is not.
        return bool(self.network_name)

    @default("host_ip")
    def _host_ip_default(self) -> str:
        return "0.0.0.0"  # noqa: S104 - Swarm knows no other

    # The service

    async def get_object(self) -> Document | None:
        """What ``docker service inspect`` says, None when there is none of this hub."""
        service = await super().get_object()
        if service and service["Spec"]["Labels"].get("p2m.hub") != self.hub_id:
            self.object_id = ""
            return None
        return service

    def tell_of_pull(self, progress: PullProgress) -> None:
        """Show how far the pull on the manager is."""
        self.tell(5 + int(10 * progress.fraction), "image", progress.sentence)

    async def create_object(self) -> Any:
        """Create the service at a place that has room for it.

        Raises:
            SpawnFailure: There is no such place, or the settings forbid it.
        """
        if self.publish_mcp:
            raise SpawnFailure(
                "Your server could not be started, for others would have reached it. Tell the administrator.",
                reason="network_not_apart",
                log_message="publish_mcp is on. Swarm publishes a port on every address of a machine, and the raw "
                "socket has no password: turn publish_mcp off.",
            )
        nodes = await self.nodes()
        processors = int(sum(node.room.nano_cpus for node in nodes.values() if node.ready) / 1e9)
        await self.take_turn(self.starts_at_once or max(1, processors))
        self.tell(20, "container", LOOKING)
        for network in self._networks:
            await self.engine.run(check_network, network)
        await self._wait_until_gone()
        self.avoided = set()
        self.new_home = False
        return await self._create()

    async def _create(self) -> Any:
        """Choose the place and create the service. Cancelled in the middle, it still learns what was made."""
        constraints = await self.place()
        if not self.use_internal_ip:
            taken = published_ports(await self.docker("services"))
            self.allocate_ports(refused=taken)
        arguments = service_arguments(await self._wish(constraints), self._extra)
        return await self.created(self.docker("create_service", **{**arguments, **self.extra_create_kwargs}))

    async def _wish(self, constraints: list[str]) -> Wish:
        limits = {"Pids": self.pids_limit}
        if self.mem_limit:
            limits["MemoryBytes"] = int(self.mem_limit)
        if self.cpu_limit:
            limits["NanoCPUs"] = int(self.cpu_limit * 1e9)
        return Wish(
            name=self.object_name,
            image=await self.engine.run(image_reference, self.image),
            environment=self.get_env(),
            args=await self.get_command(),
            labels=self.labels,
            mounts=self.mounts,
            networks=self._networks,
            port=self.port,
            published=None if self.use_internal_ip or self.ports is None else self.ports.ui,
            constraints=constraints,
            preferences=list(self.placement_preferences),
            limits=limits,
            reserved=self.reserved,
            moves=self.home_to_pin is None,
        )

    @property
    def _extra(self) -> Extra:
        rendered = self._render_templates
        return Extra(
            rendered(self.extra_container_spec),
            rendered(self.extra_resources_spec),
            rendered(self.extra_placement_spec),
            rendered(self.extra_task_spec),
            rendered(self.extra_endpoint_spec),
        )

    @property
    def _networks(self) -> list[str]:
        return [self.network_name] if self.network_name else []

    @property
    def mounts(self) -> list[Mount]:
        """The home and what else an operator mounts, and the shared files of the profile.

        SwarmSpawner makes a bind of each, also of a volume's name.
        """
        own = [
            Mount(bind["bind"], source, type="bind", read_only=bind["mode"] == "ro")
            if "/" in source
            else Mount(bind["bind"], source, read_only=bind["mode"] == "ro", driver_config=self.mount_driver_config)
            for source, bind in self.volume_binds.items()
        ]
        return [*own, *shared_files(self.assets)]

    @property
    def mount_driver_config(self) -> DriverConfig | None:
        """SwarmSpawner's ``volume_driver``, whose options may name the user as ``{username}``."""
        if not self.volume_driver:
            return None
        return DriverConfig(self.volume_driver, self._render_templates(dict(self.volume_driver_options)) or None)

    # Until it runs

    async def start_object(self) -> None:
        """Wait until the service's task runs; tried again with other ports, or elsewhere, where that helps.

        Raises:
            SpawnFailure: It does not come to run.
        """
        for tries_left in reversed(range(TRIES)):
            task = await self._until_it_runs_or_fails()
            if task.runs:
                self.new_home = False
                return
            node = (await self.nodes()).get(task.node_id)
            hostname = node.hostname if node else "a machine"
            failure = failure_of(task, hostname, image_of(await self.get_object() or {}) if node else self.image)
            elsewhere = image_is_missing(task) and (self.new_home or self.home_to_pin is None)
            if not tries_left or not (elsewhere or (self.ports and port_was_taken(task))):
                raise failure
            self.log.warning("Trying again: %s", failure.log_message)
            await self._remove_service()
            if elsewhere:
                self.avoided.add(task.node_id)
                await self.forget_new_home()
            try:
                self.object_id = (await self._create())[self.object_id_key]
            except SpawnFailure as nowhere:
                raise (failure if elsewhere else nowhere) from nowhere

    async def _until_it_runs_or_fails(self) -> Task:
        """The service's task once it runs or cannot; meanwhile the user is told what it does and where.

        Raises:
            SpawnFailure: The cluster has become full, or the service is gone.
        """
        loop = asyncio.get_running_loop()
        began, told = loop.time(), LOOKING
        nodes: dict[str, Node] = {}
        while True:
            task = await self.task()
            if task is None and await self.get_object() is None:
                raise server_died("The service was removed while it was starting.")
            if task is not None:
                if task.node_id and task.node_id not in nodes:
                    nodes = await self.nodes()
                if task.runs or not task.is_coming:
                    return task
                hostname = nodes[task.node_id].hostname if task.node_id in nodes else ""
                if (message := sentence(task, hostname)) != told:
                    self.tell(30, "container", told := message)
                if task.has_no_place and loop.time() > began + NO_PLACE_S:
                    raise cluster_full(f"Swarm's scheduler: {task.error}", self.reserved)
            await asyncio.sleep(LOOK_S)

    async def get_ip_and_port(self) -> tuple[str, int]:
        """Where the server listens: by its name on the overlay network, or on a port of its machine.

        Raises:
            ServerDied: It does not run.
        """
        if self.use_internal_ip:
            return self.object_name, self.port
        task = await self.task()
        node = (await self.nodes()).get(task.node_id) if task and task.runs else None
        if node is None or self.ports is None:
            raise server_died("The service has no task that runs and publishes a port.")
        return node.address, self.ports.ui

    def ports_on_host(self) -> dict[str, int | None]:
        """As the mixin's."""
        return {"ui": None if self.use_internal_ip or self.ports is None else self.ports.ui, "mcp": None}

    # Until it is gone

    async def remove_object(self) -> None:
        """Remove the service and wait until its machine has ended the container."""
        await self._remove_service()
        await self._wait_until_gone()

    async def discard(self) -> None:
        """Remove the service, if this hub has one, and give its ports back; a home that was none yet is forgotten."""
        if await self.get_object() is not None:
            await self.remove_object()
        await self.forget_new_home()
        self.object_id = ""
        self.clear_state()

    async def _remove_service(self) -> None:
        with suppress(NotFound):
            await self.docker("remove_service", self.object_id)
        self.object_id = ""

    async def _wait_until_gone(self) -> None:
        """Wait until no machine that answers runs anything of this server: two Blenders would share a home."""
        label = [f"p2m.hub={self.hub_id}", f"p2m.user={self.user.name}", f"p2m.server={self.name}"]
        end = asyncio.get_running_loop().time() + STOP_S + 5
        while asyncio.get_running_loop().time() < end:
            tasks = await self.docker("tasks", filters={"label": label})
            nodes = await self.nodes()
            if not any(
                task["Status"]["State"] == "running" and task["NodeID"] in nodes and nodes[task["NodeID"]].ready
                for task in tasks
            ):
                return
            await asyncio.sleep(LOOK_S)
        self.log.warning("What ran of this server has not ended within %d s", STOP_S + 5)

    # What the mixin asks

    async def server_is_alive(self) -> bool:
        """Whether the service has a task that runs, or comes."""
        task = await self.task()
        return bool(task and (task.runs or task.is_coming))

    async def log_tail(self, lines: int) -> str:
        """The last lines of ``docker service logs``, empty when there is no service or its machine is away."""
        if not self.object_id:
            return ""
        task = await self.task()
        node = (await self.nodes()).get(task.node_id) if task else None
        if node is None or not node.ready:
            return ""
        try:
            return await self.engine.run(log_of, self.object_id, lines)
        except (DockerException, OSError) as error:
            return f"(no log: {error})"

    def explain(self, error: BaseException) -> SpawnFailure | None:
        """As the mixin's; also an engine that manages no swarm, and a name that another hub has."""
        if isinstance(error, APIError):
            if is_no_manager(error):
                return no_manager(error, str(self.client.base_url))
            if error.status_code == HTTPStatus.CONFLICT and "name conflicts" in str(error.explanation):
                return self.claimed(f"A service is named {self.object_name} already.")
        return super().explain(error)

    # After a hub that ended in the middle of a start

    async def recover(self) -> Any:
        """Take over the service of a start that another process of this hub has begun; return its address.

        Raises:
            docker.errors.DockerException, OSError: No manager answers.
            LookupError: It is gone.
            SpawnFailure: It does not come to run.
        """
        service = await self.get_object()
        if service is None:
            raise LookupError("no service")
        self.api_token = environment_of(environment_lines(service))[TOKEN_VARIABLE]
        self.load_state({"object_id": self.object_id, "object_name": self.object_name})
        for port in published_ports([service]):
            self.restore_ports(port, None)
        task = await self._until_it_runs_or_fails()
        if not task.runs:
            raise server_died(f"Its task is {task.state}: {task.error or task.message}")
        return await self.get_ip_and_port()
