"""``blender-docker``: the mixin on DockerSpawner. Says only how a Docker engine does it."""

import errno
import socket
from asyncio import wrap_future
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, ClassVar

from docker.errors import APIError, DockerException
from dockerspawner import DockerSpawner
from traitlets import Int, Unicode, default, validate

from .docker_network import ensure_network
from .errors import SpawnFailure
from .mixin import BlenderSpawnerMixin
from .ports import PortLedger, PortPair

HOME = "/home/blender"
"""The home in the image (docs/architecture.md)."""

BLENDER_PORT = 9876
"""Blender's TCP socket in the container."""

PORT_TRIES = 5
"""How many port pairs are tried when other programs, another hub for instance, take ports at the same moment."""

Options = dict[str, Any]


def merged(base: Options, extra: Options) -> Options:
    """``extra`` laid over ``base``, dictionaries inside them too; neither is changed."""
    result = dict(base)
    for key, value in extra.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def port_is_free(host_ip: str, port: int) -> bool:
    """Whether nothing that can be seen from here listens on a port; nothing can where the engine is on another host."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host_ip, port))
        except OSError as error:
            return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def port_was_taken(error: APIError) -> bool:
    """Whether the engine refused a start because another program has got a published port meanwhile."""
    return "port is already allocated" in str(error) or "address already in use" in str(error)


class BlenderDockerSpawner(BlenderSpawnerMixin, DockerSpawner):
    """A container with Blender, its MCP server, JupyterLab and a desktop for each user."""

    hub_id = Unicode(
        "p2m",
        help="""
        Text (default ``p2m``) that tells the containers of this hub from those of other hubs on the same engine.
        It is the value of the container label ``p2m.hub``.

        Example: ``c.BlenderDockerSpawner.hub_id = "class-3b"``.
        """,
    ).tag(config=True)

    pids_limit = Int(
        1024,
        min=64,
        help="""
        Number (default 1024) of processes and threads a container may have at once. Blender and JupyterLab need
        about 150; the limit is what stops a fork bomb.

        Example: ``c.BlenderDockerSpawner.pids_limit = 512``.
        """,
    ).tag(config=True)

    ui_port_start = Int(
        13000,
        min=1,
        max=65535,
        help="""
        First port (default 13000) of the host on which Jupyter servers, and through them the desktops, are
        published on ``host_ip``. Not used with ``use_internal_ip``.

        Example: ``c.BlenderDockerSpawner.ui_port_start = 23000``.
        """,
    ).tag(config=True)

    mcp_port_start = Int(
        10000,
        min=1,
        max=65535,
        help="""
        First port (default 10000) of the host on which raw Blender sockets are published when ``publish_mcp`` is
        on. A user has the same offset here and from ``ui_port_start``.

        Example: ``c.BlenderDockerSpawner.mcp_port_start = 20000``.
        """,
    ).tag(config=True)

    port_range_size = Int(
        1000,
        min=1,
        help="""
        Number (default 1000) of port pairs, that is of servers that can run at the same time.

        Example: ``c.BlenderDockerSpawner.port_range_size = 40`` on a machine that holds forty.
        """,
    ).tag(config=True)

    object_id: str  # of DockerSpawner: the container, empty while there is none

    _ledgers: ClassVar[dict[tuple[int, int, int], PortLedger]] = {}

    # Defaults of DockerSpawner's traits that make a container a user's own Blender

    @default("image")
    def _image_default(self) -> str:
        return "p2m/blender-singleuser:latest"

    @default("prefix")
    def _prefix_default(self) -> str:
        return "p2m"

    @default("network_name")
    def _network_name_default(self) -> str:
        return "p2m"

    @default("use_internal_ip")
    def _use_internal_ip_default(self) -> bool:
        # DockerSpawner would use it on any network but "bridge"; a hub in a container on our network sets it.
        return False

    @default("volumes")
    def _volumes_default(self) -> Options:
        return {"p2m-{username}": HOME}

    @default("notebook_dir")
    def _notebook_dir_default(self) -> str:
        return HOME

    @default("remove")
    def _remove_default(self) -> bool:
        # A container is made anew at each start, so that image, limits and environment are today's.
        return True

    @default("mem_limit")
    def _mem_limit_default(self) -> int:
        return 4 * 1024**3

    @default("cpu_limit")
    def _cpu_limit_default(self) -> float:
        return 2.0

    # What goes beneath the operator's own extra_host_config and extra_create_kwargs

    @default("extra_host_config")
    def _extra_host_config_default(self) -> Any:
        return self._over(self._host_config, {})

    @validate("extra_host_config")
    def _lay_host_config_over_ours(self, proposal: Any) -> Any:
        return self._over(self._host_config, proposal.value)

    @default("extra_create_kwargs")
    def _extra_create_kwargs_default(self) -> Any:
        return self._over(self._create_kwargs, {})

    @validate("extra_create_kwargs")
    def _lay_create_kwargs_over_ours(self, proposal: Any) -> Any:
        return self._over(self._create_kwargs, proposal.value)

    def _over(self, ours: Callable[[], Options], theirs: Any) -> Callable[[Any], Awaitable[Options]]:
        """A callable for DockerSpawner that lays an operator's value (dictionary or callable) over ours."""

        async def value(spawner: Any) -> Options:
            extra = theirs(spawner) if callable(theirs) else theirs
            return merged(ours(), await extra if isawaitable(extra) else extra)

        return value

    def _host_config(self) -> Options:
        """Limits and isolation (docs/architecture.md says why), and the host ports."""
        config: Options = {
            # With AutoRemove a killed container would report exit code 0 and take its log along.
            "auto_remove": False,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "read_only": True,
            "tmpfs": {
                "/tmp": "rw,exec,nosuid,nodev,mode=1777,size=1g",  # noqa: S108
                "/run": "rw,exec,nosuid,nodev,mode=755,uid=1000,gid=1000,size=64m",
            },
            "pids_limit": self.pids_limit,
            "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        }
        if self.mem_limit:
            config["memswap_limit"] = self.mem_limit  # without it the same amount again may be swapped
        if self._ports and not self.use_internal_ip:
            config["port_bindings"] = {self.port: (self.host_ip, self._ports.ui)}
            if self.publish_mcp:
                config["port_bindings"][BLENDER_PORT] = ("127.0.0.1", self._ports.mcp)
        return config

    def _create_kwargs(self) -> Options:
        """Labels, by which operators and ``make down`` find the containers, and the published port."""
        kwargs: Options = {
            "labels": {"p2m.hub": self.hub_id, "p2m.user": self.user.name, "p2m.server": self.name},
        }
        if self.publish_mcp:
            kwargs["ports"] = {f"{BLENDER_PORT}/tcp": None}
        return kwargs

    # Ports

    _ports: PortPair | None = None

    @property
    def _ledger(self) -> PortLedger:
        """The one ledger of this hub for these ranges."""
        ranges = (self.ui_port_start, self.mcp_port_start, self.port_range_size)
        return self._ledgers.setdefault(ranges, PortLedger(*ranges))

    def _pair_is_usable(self, pair: PortPair) -> bool:
        """Whether the host can publish both ports of a pair."""
        return port_is_free(self.host_ip, pair.ui) and (not self.publish_mcp or port_is_free("127.0.0.1", pair.mcp))

    def get_state(self) -> dict[str, Any]:
        """DockerSpawner's state and the port offset, so that a restarted hub knows which ports are taken."""
        state: dict[str, Any] = super().get_state()
        if self._ports:
            state["port_offset"] = self._ports.offset
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` saved."""
        super().load_state(state)
        if "port_offset" in state:
            self._ports = self._ledger.restore(self._log_name, state["port_offset"])

    def clear_state(self) -> None:
        """Forget the container and give the ports back."""
        super().clear_state()
        self._ledger.release(self._log_name)
        self._ports = None

    def ports_on_host(self) -> dict[str, int | None]:
        """As the mixin's."""
        pair = None if self.use_internal_ip else self._ports
        return {"ui": pair.ui if pair else None, "mcp": pair.mcp if pair and self.publish_mcp else None}

    # Start and stop

    async def pull_image(self, image: str) -> None:
        """Pull the image if the policy says so.

        Raises:
            SpawnFailure: The image is not here and could not be pulled.
        """
        self.tell(5, "image", "Looking for the Blender image …")
        try:
            await super().pull_image(image)
        except APIError as error:
            raise SpawnFailure(
                "The Blender image is not on this machine. Tell the administrator.",
                reason="image_missing",
                log_message=f"Image {image} is missing and could not be pulled: {error}. `make image` builds it.",
            ) from error

    async def create_object(self) -> Any:
        """Create the container on our network, with a port pair of its own.

        Raises:
            PortsExhausted: No port pair is free.
        """
        self.tell(20, "container", "Creating your container …")
        await self._in_thread(ensure_network, self.network_name)
        if not self.use_internal_ip:
            self._ports = self._ledger.allocate(self._log_name, self._pair_is_usable)
        return await super().create_object()

    async def start_object(self) -> None:
        """Start the container; with other ports when somebody was faster at those that it had."""
        self.tell(30, "container", "Starting your container …")
        for tries_left in reversed(range(PORT_TRIES)):
            try:
                await super().start_object()
                return
            except APIError as error:
                if not tries_left or not port_was_taken(error):
                    raise
                self.log.warning("%s: trying other ports: %s", self._log_name, error)
            await self.docker("remove_container", self.object_id, force=True)
            self.object_id = (await self.create_object())[self.object_id_key]

    def explain(self, error: BaseException) -> SpawnFailure | None:
        """As the mixin's; also puts what docker-py and its HTTP library raise into words."""
        if isinstance(error, DockerException | OSError):
            return SpawnFailure(
                "Your container could not be started. Try again; if it happens again, tell the administrator.",
                reason="engine",
                log_message=f"Docker: {error}",
            )
        return super().explain(error)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run ``function(client, *args)`` in DockerSpawner's own thread for engine calls."""
        return await wrap_future(self.executor.submit(function, self.client, *args))

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
        """Remove the container, running or not, and give its ports back; the home stays."""
        if self.object_id:
            try:
                await self.docker("remove_container", self.object_id, force=True)
            except (DockerException, OSError) as error:
                self.log.warning("%s: container %s not removed: %s", self._log_name, self.object_id[:12], error)
            self.object_id = ""
        self.clear_state()
