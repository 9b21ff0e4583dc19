"""``blender-docker``: the mixin on DockerSpawner. Says only how a Docker engine does it; bad days: docker_faults.py."""

from http import HTTPStatus
from inspect import isawaitable
from typing import Any

from docker.errors import APIError, DockerException, ImageNotFound
from traitlets import default

from .container_ports import ContainerPorts
from .docker_faults import DockerFaults
from .docker_network import ensure_network, keeps_containers_apart
from .docker_options import BLENDER_PORT, CONFINEMENT, LOG_CONFIG, Options, merged
from .docker_ports import port_was_taken, published_ports
from .docker_pull import PullFailed
from .docker_resources import check_volumes, device_requests, explain_resources, mounts
from .docker_upkeep import DockerUpkeep
from .errors import SpawnFailure
from .pull_progress import PullProgress

PORT_TRIES = 5
"""How many port pairs are tried when other programs, another hub for instance, take ports at the same moment."""


class BlenderDockerSpawner(DockerUpkeep, DockerFaults, ContainerPorts):
    """A container with Blender, its MCP server, JupyterLab and a desktop for each user."""

    # Of DockerSpawner:
    object_id: str  # the container, empty while there is none
    extra_host_config: Any
    extra_create_kwargs: Any

    # Defaults of DockerSpawner's traits that make a container a user's own Blender

    @default("network_name")
    def _network_name_default(self) -> str:
        return "p2m"

    @default("use_internal_ip")
    def _use_internal_ip_default(self) -> bool:
        # DockerSpawner would use it on any network but "bridge"; a hub in a container on our network sets it.
        return False

    @default("remove")
    def _remove_default(self) -> bool:
        # A container is made anew at each start, so that image, limits and environment are today's.
        return True

    # What goes beneath the operator's own extra_host_config and extra_create_kwargs

    def _host_config(self, extra: Options) -> Options:
        """Limits and isolation (docs/security.md says what for), and the host ports; ``extra`` laid over them."""
        config: Options = {**CONFINEMENT, "pids_limit": self.pids_limit}
        if "log_config" not in extra:  # not merged: one log driver knows nothing of another's options
            config["log_config"] = LOG_CONFIG
        if memory := extra.get("mem_limit", self.mem_limit):
            config["memswap_limit"] = memory  # without it the same amount again may be swapped
        if self.gpus:
            config["device_requests"] = device_requests(self.gpus)
        if not self.use_internal_ip:
            config["port_bindings"] = self.port_bindings
        return merged(config, extra)

    def _create_kwargs(self, extra: Options) -> Options:
        """Labels, by which operators and ``make down`` find the containers, and the published port."""
        kwargs: Options = {"labels": self.labels}
        if self.publish_mcp:
            kwargs["ports"] = {f"{BLENDER_PORT}/tcp": None}
        return merged(kwargs, extra)

    async def _value_of(self, option: Any) -> Options:
        """An operator's option as DockerSpawner reads it: a dictionary, or a callable of the spawner, async or not."""
        value = self._eval_if_callable(option)
        return dict(await value if isawaitable(value) else value)

    @property
    def mount_binds(self) -> list[Any]:
        """DockerSpawner's ``mounts``, and the shared files of the profile."""
        return [*super().mount_binds, *mounts(self.assets)]

    def ports_on_host(self) -> dict[str, int | None]:
        """As the mixin's."""
        pair = None if self.use_internal_ip else self.ports
        return {"ui": pair.ui if pair else None, "mcp": pair.mcp if pair and self.publish_mcp else None}

    # Start and stop

    async def pull_image(self, image: str) -> None:
        """Pull the image if the policy says so.

        Raises:
            SpawnFailure: The image is not here, or it could not be pulled.
        """
        self.tell(5, "image", "Looking for the Blender image …")
        try:
            await super().pull_image(image)
        except ImageNotFound as error:
            raise SpawnFailure(
                "The Blender image is not on this machine. Tell the administrator.",
                reason="image_missing",
                log_message=f"Image {image} is missing, and pull_policy is {self.pull_policy}. `make image` builds it.",
            ) from error
        except PullFailed as error:
            raise self._pull_failure(image, error) from error
        # Whoever waits has no container yet, and holds no ports.
        await self.take_turn(self.starts_at_once or await self.engine.processors())

    def _pull_failure(self, image: str, error: PullFailed) -> SpawnFailure:
        """Say what a pull that failed means under the policy that asked for it."""
        if self.pull_policy.lower() == "always":
            return SpawnFailure(
                "The newest Blender image could not be fetched. Try again in a few minutes; if it happens again, "
                "tell the administrator.",
                reason="image_pull",
                log_message=f"Image {image} could not be pulled: {error}. pull_policy is always; with ifnotpresent "
                "a server starts from the image that is on this machine.",
            )
        return SpawnFailure(
            "The Blender image is not on this machine. Tell the administrator.",
            reason="image_missing",
            log_message=f"Image {image} is missing and could not be pulled: {error}. `make image` builds it.",
        )

    def tell_of_pull(self, progress: PullProgress) -> None:
        """Show how far the pull is."""
        self.tell(5 + int(15 * progress.fraction), "image", progress.sentence)

    async def create_object(self) -> Any:
        """Create the container on our network, with a port pair of its own.

        Raises:
            PortsExhausted: No port pair is free.
            SpawnFailure: The raw socket would be open to other users.
        """
        self.tell(20, "container", "Creating your container …")
        await self.engine.run(ensure_network, self.network_name)
        await self.engine.run(check_volumes, self.assets)
        if self.publish_mcp and not await self.engine.run(keeps_containers_apart, self.network_name):
            raise SpawnFailure(
                "Your container could not be started, for others would have reached it. Tell the administrator.",
                reason="network_not_apart",
                log_message=f"publish_mcp is on, and containers on the network {self.network_name} reach each other: "
                "everybody would drive everybody's Blender. Turn publish_mcp off, or use a bridge network with "
                "com.docker.network.bridge.enable_icc=false.",
            )
        # A container that is kept holds its ports while it does not run, and others would get them meanwhile: there the
        # engine chooses at each start, as with DockerSpawner.
        if not self.use_internal_ip and self.remove:
            self.allocate_ports()
        return await self._create()

    async def _create(self) -> Any:
        """Have the container created. Cancelled in the middle, it still learns what the engine has made."""
        return await self.created(self._create_with_ours())

    async def _create_with_ours(self) -> Any:
        """DockerSpawner's creation, with our options beneath the operator's.

        Hooks of operators read and change these two options: afterwards they are again what operators made them.
        """
        theirs = self.extra_host_config, self.extra_create_kwargs
        try:
            self.extra_host_config = self._host_config(await self._value_of(theirs[0]))
            if self.cpu_limit and self.cpu_limit >= await self.engine.processors():
                # A quota of all processors limits nothing, and the kernel would keep its account all the same.
                self.extra_host_config.setdefault("cpu_quota", 0)
            self.extra_create_kwargs = self._create_kwargs(await self._value_of(theirs[1]))
            return await super().create_object()
        finally:
            self.extra_host_config, self.extra_create_kwargs = theirs

    async def start_object(self) -> None:
        """Start the container; with other ports when somebody was faster at those that it had."""
        self.tell(30, "container", "Starting your container …")
        for tries_left in reversed(range(PORT_TRIES)):
            try:
                await super().start_object()
                return
            except APIError as error:
                if not tries_left or not self.ports or not port_was_taken(error):
                    raise
                self.log.warning("Trying other ports: %s", error)
            await self.docker("remove_container", self.object_id, force=True)
            self.object_id = ""
            self.allocate_ports(refused=await self.engine.run(published_ports))
            self.object_id = (await self._create())[self.object_id_key]

    def explain(self, error: BaseException) -> SpawnFailure | None:
        """As the mixin's; also puts refused GPUs and shared files into words."""
        return explain_resources(error) or super().explain(error)

    # What the mixin asks

    async def server_is_alive(self) -> bool:
        """Whether the container runs."""
        container = await self.get_object()
        return bool(container and container["State"]["Running"])

    async def log_tail(self, lines: int) -> str:
        """The last lines of ``docker logs``, empty when there is no container."""
        if not self.object_id:
            return ""
        try:
            output = await self.docker("logs", self.object_id, tail=lines)
        except (DockerException, OSError) as error:
            return f"(no log: {error})"
        return bytes(output).decode("utf-8", "replace")

    async def discard(self) -> None:
        """Remove the container, running or not, and give its ports back; with ``remove`` off it is only stopped."""
        if self.object_id:
            try:
                if self.remove:
                    await self.docker("remove_container", self.object_id, force=True, v=True)
                else:
                    await self.docker("stop", self.object_id)
            except APIError as error:
                if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):  # gone, or being removed
                    raise
            self.object_id = ""
        self.clear_state()
