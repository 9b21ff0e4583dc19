"""Where a user's server runs: what it reserves, which machine that leaves, and the home that binds it to one."""

from typing import Any

from traitlets import CaselessStrEnum, List, Unicode, default

from ..docker_homes import own_home
from ..errors import SpawnFailure
from ..on_docker import OnDocker
from .away import home_is_away
from .home_records import HomeRecord, find_home, forget_home, record_home
from .nodes import Node, Room, choose
from .servers import SwarmServers


class SwarmPlaces(OnDocker, SwarmServers):
    """Finds a server its place in the cluster."""

    home_storage = CaselessStrEnum(
        ["pinned", "shared"],
        "pinned",
        help="""
        Where homes are: ``pinned`` (default): each on the machine on which it was first used; its server runs there
        and nowhere else. ``shared``: on storage that all machines reach, which ``volume_driver`` and
        ``volume_driver_options`` of SwarmSpawner say, or a path in ``volumes`` that is mounted on every machine. Then a
        server whose machine dies is started on another one by Swarm.

        Example::

            c.BlenderSwarmSpawner.home_storage = "shared"
            c.BlenderSwarmSpawner.volumes = {"/srv/homes/{username}": "/home/blender"}  # NFS, on every machine
        """,
    ).tag(config=True)

    placement_strategy = CaselessStrEnum(
        ["spread", "binpack"],
        "spread",
        help="""
        How machines are filled: ``spread`` (default) gives a server to the machine with the fewest, ``binpack`` to the
        fullest on which it fits, so that others stay empty and can be switched off.

        Example: ``c.BlenderSwarmSpawner.placement_strategy = "binpack"``.
        """,
    ).tag(config=True)

    placement_constraints = List(
        Unicode(),
        help="""
        List (default empty) of Swarm's constraints, each of which a machine must meet to get servers.

        Example: ``c.BlenderSwarmSpawner.placement_constraints = ["node.role == worker", "node.labels.room == b12"]``.
        """,
    ).tag(config=True)

    placement_preferences = List(
        Unicode(),
        help="""
        List (default empty) of labels of machines over whose values servers are spread evenly, the first one first.

        Example: ``c.BlenderSwarmSpawner.placement_preferences = ["node.labels.rack"]``.
        """,
    ).tag(config=True)

    gpu_resource = Unicode(
        "NVIDIA-GPU",
        help="""
        Name (default ``NVIDIA-GPU``) of the generic resource as which the machines' engines offer their GPUs
        (``node-generic-resources`` in ``daemon.json``). A profile's ``gpus`` is how many of them a server reserves.

        Example: ``c.BlenderSwarmSpawner.gpu_resource = "gpu"``.
        """,
    ).tag(config=True)

    # Of JupyterHub and DockerSpawner
    mem_guarantee: int | None
    cpu_guarantee: float | None
    mem_limit: int | None
    cpu_limit: float | None
    volumes: Any
    format_volume_name: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.avoided: set[str] = set()
        """Ids of machines on which this start has failed already."""
        self.new_home = False
        """Whether this start has recorded the home, and nothing of it is on the machine yet."""

    @default("mem_guarantee")
    def _mem_guarantee_default(self) -> int:
        return 1024**3

    @default("cpu_guarantee")
    def _cpu_guarantee_default(self) -> float:
        return 0.5

    # The place

    @property
    def reserved(self) -> Room:
        """What the machine keeps for the server, never more than its limits.

        Raises:
            SpawnFailure: GPUs are wanted by their ids.
        """
        if not isinstance(self.gpus, int):
            raise SpawnFailure(
                "Your profile asks for GPUs in a way that a cluster does not know. Choose another profile, or tell the "
                "administrator.",
                reason="gpu_unavailable",
                log_message=f"gpus is {self.gpus!r}; on a swarm it is a number.",
            )
        memory, cores = self.mem_guarantee or 0, self.cpu_guarantee or 0.0
        return Room(
            int(min(cores, self.cpu_limit or cores) * 1e9),
            int(min(memory, self.mem_limit or memory)),
            {self.gpu_resource: self.gpus} if self.gpus else {},
        )

    @property
    def home_volume(self) -> str | None:
        """Name of the volume that is this server's home and nobody else's; None where it is none."""
        template = own_home(self.volumes, of_named_server=bool(self.name))
        return None if template is None else self.format_volume_name(template, self)

    @property
    def home_to_pin(self) -> str | None:
        """Name of the volume by which the server is bound to one machine; None where it may run anywhere.

        Raises:
            SpawnFailure: Homes shall be shared, and this one would be a new, empty one on each machine.
        """
        if self.home_storage == "pinned":
            return self.home_volume
        if self.home_volume is not None and not self.volume_driver:
            raise SpawnFailure(
                "The storage of this hub's homes is not set up. Tell the administrator.",
                reason="home_unavailable",
                log_message="home_storage is shared, and nothing says where: set volume_driver and "
                "volume_driver_options, or a path in volumes that is the same storage on every machine.",
            )
        return None

    async def place(self) -> list[str]:
        """The constraints by which Swarm puts the service where there is room; a new home is recorded there.

        Raises:
            SpawnFailure: There is no such machine, or the one that has the home is away.
        """
        nodes, tasks = await self.nodes(), await self.docker("tasks")
        constraints = list(self.placement_constraints)
        volume = self.home_to_pin
        if volume and (record := await self.engine.run(find_home, volume)):
            self._check_home(record, nodes.get(record.node_id))
            home = nodes[record.node_id]
            choose([home], tasks, self.reserved, [], "spread")  # says so when it is full
            return [f"node.id == {home.id}"]
        candidates = [node for node in nodes.values() if node.id not in self.avoided]
        node = choose(
            candidates, tasks, self.reserved, constraints, self.placement_strategy, self.placement_preferences
        )
        if volume:
            record = await self.engine.run(record_home, volume, node.id, node.hostname, self.hub_id)
            self.new_home = True
            return [f"node.id == {record.node_id}"]
        if self.placement_strategy == "binpack":
            return [f"node.id == {node.id}"]
        return [*constraints, *(f"node.id != {avoided}" for avoided in self.avoided)]

    def _check_home(self, record: HomeRecord, node: Node | None) -> None:
        if record.hub != self.hub_id:
            raise self.claimed(f"The home {record.volume} is recorded for the hub {record.hub!r}.")
        if record.moving:
            raise SpawnFailure(
                "Your files are being moved to another machine. Try again in a few minutes.",
                reason="home_moving",
                log_message=f"The home {record.volume} is being moved from {record.hostname}. If that was cut off, "
                "have it moved again.",
            )
        if node is None or not node.ready or not node.active:
            raise home_is_away(node.hostname if node else record.hostname, node)

    def claimed(self, cause: str) -> SpawnFailure:
        """The failure of a start whose name or home is another hub's.

        Args:
            cause: What was found, for the operator.
        """
        return SpawnFailure(
            "Another hub of this cluster has a server or files under your name. Tell the administrator.",
            reason="name_taken",
            log_message=f"{cause} This hub is {self.hub_id!r}. Each hub of a cluster needs its own prefix and volumes.",
        )

    async def forget_new_home(self) -> None:
        """No machine made the volume yet: without the image none is made."""
        if self.new_home and self.home_to_pin:
            await self.engine.run(forget_home, self.home_to_pin)
            self.new_home = False
