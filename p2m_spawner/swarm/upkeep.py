"""Servers that end, move or belong to nobody, and homes that go with their users: ``blender-swarm`` over the weeks."""

from contextlib import suppress
from typing import Any, ClassVar

from docker.errors import DockerException, NotFound
from traitlets import Unicode

from .. import urls
from ..endings import LOG_TAIL_LINES, Ending
from ..errors import SpawnFailure
from ..homes import HomesMixin
from ..observed import ObservedBlenderMixin
from ..on_docker import IMAGE_SETTING_LABEL, TOKEN_VARIABLE, environment_of, moment
from ..orphans import FoundServer
from .away import how_it_went_away
from .cluster import image_reference
from .home_records import find_home, forget_home
from .jobs import JobFailed, removal_of_volume, remove_volume
from .places import SwarmPlaces
from .service import environment_lines, image_of
from .watch import SwarmWatch


class SwarmUpkeep(HomesMixin, ObservedBlenderMixin, SwarmPlaces):
    """Looks after services that run, and after what is left of them."""

    node_socket = Unicode(
        "/var/run/docker.sock",
        help="""
        Path (default ``/var/run/docker.sock``) of the engine's socket on the machines. With ``delete_home`` a short job
        on the machine removes the volume by it; nothing of a user runs in that job. Swarm's templates work.

        Example: ``c.BlenderSwarmSpawner.node_socket = "/run/{{.Node.Hostname}}/docker.sock"``.
        """,
    ).tag(config=True)

    # How it ended

    async def how_it_ended(self) -> Ending:
        """What task and machine say of it."""
        if await self.get_object() is None:
            return Ending(removed=True)
        task = await self.task()
        if task is None:
            return Ending(error="The service has no task.")
        node = (await self.nodes()).get(task.node_id)
        ended_at = moment(task.at)
        if task.node_id and (node is None or not node.ready):
            hostname = node.hostname if node else "of your server"
            away = how_it_went_away(hostname, node, keeps_home=self.home_to_pin is not None)
            return Ending(error=task.error or task.message, ended_at=ended_at, away=away)
        return Ending(
            exit_code=task.exit_code,
            error=task.error,
            ended_at=ended_at,
            log=await self.log_tail(LOG_TAIL_LINES),
            memory_limit=self.mem_limit or None,
        )

    async def get_url(self) -> str:
        """Where the server is; while there was no hub, Swarm may have moved it."""
        with suppress(SpawnFailure):
            return urls.origin(await self.get_ip_and_port())
        return await super().get_url()

    async def servers_of_this_hub(self) -> list[FoundServer]:
        """All services with this hub's label; none while ``hub_id`` is the default, which other hubs may have too."""
        if self.hub_id == self.trait_defaults("hub_id"):
            return []
        services = await self.docker("services", filters={"label": f"p2m.hub={self.hub_id}"})
        return [
            FoundServer(labels["p2m.user"], labels.get("p2m.server", ""), service["ID"])
            for service in services
            if "p2m.user" in (labels := service["Spec"]["Labels"])
        ]

    async def remove_found(self, found: FoundServer) -> None:
        """Remove a service; Swarm has Blender save.

        Raises:
            docker.errors.DockerException, OSError: No manager answers, or it refuses.
        """
        with suppress(NotFound):
            await self.docker("remove_service", found.id)

    # A server that has moved

    async def poll(self) -> Any:
        """As the mixin's; also has the proxy find a server that Swarm has moved to another machine."""
        ended = await super().poll()
        if ended is None and self.ready and not self.use_internal_ip:
            await self._follow()
        return ended

    async def _follow(self) -> None:
        try:
            ip, _ = await self.get_ip_and_port()
        except (SpawnFailure, DockerException, OSError):
            return  # on its way
        if ip == self.server.ip:
            return
        self.log.warning("Swarm has moved the server from %s to %s", self.server.ip, ip)
        self.server.ip = ip
        self.user.db.commit()
        await self.user.settings["proxy"].add_user(self.user, self.name)

    # Hearing of it at once

    _watches: ClassVar[dict[str, SwarmWatch]] = {}
    _watched_id: str = ""

    def watch(self) -> None:
        """Have the service looked after."""
        self._watched_id = self.object_id
        self._watch_of_hub().watch(self.object_id, self.look_now)

    def unwatch(self) -> None:
        """Have it looked after no more."""
        if self._watched_id:
            self._watch_of_hub().forget(self._watched_id)
            self._watched_id = ""

    def _watch_of_hub(self) -> SwarmWatch:
        if self.hub_id not in self._watches:
            self._watches[self.hub_id] = SwarmWatch(self._facts, self.engine_is_silent, self.log, self.request_sweep)
        return self._watches[self.hub_id]

    async def _facts(self) -> dict[str, Any]:
        """Of each service of this hub the tasks, how they are and where."""
        facts: dict[str, list[tuple[str, ...]]] = {}
        for task in await self.docker("tasks", filters={"label": f"p2m.hub={self.hub_id}"}):
            fact = (task["ID"], task["Status"]["State"], task["DesiredState"], task.get("NodeID", ""))
            facts.setdefault(task["ServiceID"], []).append(fact)
        return {service: tuple(sorted(found)) for service, found in facts.items()}

    # What is seen of it from outside

    @property
    def container_of_server(self) -> str:
        """The short id of the service, as ``docker service ls`` shows it."""
        return self.object_id[:12]

    async def image_is_outdated(self) -> bool:
        """Whether a start today would use another image than the service has."""
        try:
            service = await self.get_object()
            now = await self.engine.run(image_reference, self.image)
        except (DockerException, OSError) as error:
            self.log.debug("It is not known whether there is a newer image: %s", error)
            return False
        if service is None:
            return False
        setting = service["Spec"]["Labels"].get(IMAGE_SETTING_LABEL)
        return bool(image_of(service) != now or self.image == setting != self.image_setting)

    async def token_of_server(self) -> str:
        """The token in the service's environment."""
        try:
            service = await self.get_object()
        except (DockerException, OSError) as error:
            self.log.debug("The server's token cannot be read: %s", error)
            return ""
        return environment_of(environment_lines(service)).get(TOKEN_VARIABLE, "") if service else ""

    # Homes that go with their users

    async def remove_home(self) -> None:
        """Remove the home's volume from every machine that has it, and its record, after what is left of the server.

        What a volume driver keeps elsewhere stays there, as it does on Docker.
        """
        volume = self.home_volume
        if volume is None:
            self.log.warning("The home is no volume of this server alone, so it stays")
            return
        try:
            await self.discard()
            record = await self.engine.run(find_home, volume)
            if record and record.hub != self.hub_id:
                self.log.error("Volume %s stays: it is recorded for another hub", volume)
                return
            image = await self.engine.run(image_reference, self.image_setting)
            for node in (await self.nodes()).values():
                if node.id == (record.node_id if record else node.id):
                    await remove_volume(self.engine, removal_of_volume(node, image, volume, self.node_socket))
            await self.engine.run(forget_home, volume)
        except (DockerException, OSError, JobFailed) as error:
            self.log.error("Volume %s was not removed: %s", volume, error)
        else:
            self.log.info("Removed volume %s", volume)
