"""What a Docker engine knows of servers that ended, or that nobody owns: ``blender-docker`` on bad days."""

import asyncio
import io
import json
import tarfile
from datetime import datetime
from typing import Any, ClassVar

from docker.errors import DockerException, NotFound

from .docker_events import EngineEvents
from .endings import LOG_TAIL_LINES, Ending
from .errors import server_died
from .on_docker import TOKEN_VARIABLE, Document, OnDocker, environment_of, moment
from .orphans import FoundServer

SESSION = "/home/blender/.p2m/session/meta.json"
"""Where Blender writes when it saved its scene last (docs/architecture.md, "Where the work is kept")."""

STOP_S = 10
"""Seconds that an orphan has to save its scene and end."""

BEING_REMOVED = ("removing", "dead")
"""States of a container that somebody has told the engine to remove; it gives no log any more."""


def ending_of(container: Document | None, log: str, saved_at: datetime | None) -> Ending:
    """How a container ended.

    Args:
        container: What ``docker inspect`` says; None when it is gone.
        log: Its last lines.
        saved_at: When Blender saved its scene last.
    """
    if container is None:
        return Ending(removed=True)
    state = container["State"]
    if state.get("Status") in BEING_REMOVED:
        return Ending(removed=True, exit_code=state["ExitCode"])
    return Ending(
        exit_code=None if state.get("Running") else state["ExitCode"],
        out_of_memory=state.get("OOMKilled", False),
        error=state.get("Error", ""),
        ended_at=moment(state.get("FinishedAt", "")),
        log=log,
        memory_limit=container["HostConfig"].get("Memory") or None,
        saved_at=saved_at,
    )


def saved_at_of(meta: bytes) -> datetime | None:
    """When the scene was saved, from the session's file, which may hold anything; None when it does not say."""
    try:
        read = datetime.fromisoformat(json.loads(meta)["saved_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return read if read.tzinfo else None


def file_in(archive: bytes) -> bytes:
    """The contents of the only file in what ``docker cp`` gives; empty when it is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member and member.isfile() else None
            return file.read() if file else b""
    except tarfile.TarError:
        return b""


class DockerFaults(OnDocker):
    """Tells the mixin how containers ended, and finds those that nobody owns."""

    _events: ClassVar[dict[str, EngineEvents]] = {}
    _watched_id: str = ""

    async def get_ip_and_port(self) -> tuple[str, int]:
        """Where the server listens.

        Raises:
            ServerDied: The container has ended already.
        """
        try:
            address: tuple[str, int] = await super().get_ip_and_port()
        except RuntimeError as error:  # DockerSpawner's word for a container that publishes nothing (any more)
            raise server_died(str(error)) from error
        return address

    # How it ended

    async def how_it_ended(self) -> Ending:
        """Exit code, memory, times and last lines of the container."""
        container = await self.get_object()
        if container is None:
            return ending_of(None, "", None)
        return ending_of(container, await self.log_tail(LOG_TAIL_LINES), await self._saved_at())

    async def _saved_at(self) -> datetime | None:
        try:
            stream, _ = await self.docker("get_archive", self.object_id, SESSION)
            archive = await asyncio.to_thread(b"".join, stream)
        except (DockerException, OSError):
            return None
        return saved_at_of(file_in(archive))

    # After a hub that ended in the middle of a start

    async def recover(self) -> Any:
        """Take over the container of a start that another process of this hub has begun; return its address.

        Raises:
            docker.errors.DockerException, OSError: As `get_object`.
            LookupError: It is gone.
            ServerDied: It does not run any more.
        """
        container = await self.get_object()
        if container is None:
            raise LookupError("no container")
        self.api_token = environment_of(container["Config"]["Env"])[TOKEN_VARIABLE]
        address = await self.get_ip_and_port()
        self.load_state({"object_id": self.object_id, "object_name": self.object_name})
        return address

    async def servers_of_this_hub(self) -> list[FoundServer]:
        """All containers with this hub's label; none while ``hub_id`` is the default, which other hubs may have too."""
        if self.hub_id == self.trait_defaults("hub_id"):
            return []
        containers = await self.docker("containers", all=True, filters={"label": f"p2m.hub={self.hub_id}"})
        return [
            FoundServer(labels["p2m.user"], labels.get("p2m.server", ""), container["Id"])
            for container in containers
            if "p2m.user" in (labels := container["Labels"])
        ]

    async def remove_found(self, found: FoundServer) -> None:
        """Stop a container, so that Blender saves, and remove it.

        Raises:
            docker.errors.DockerException, OSError: The engine does not answer, or refuses.
        """
        try:
            await self.docker("stop", found.id, timeout=STOP_S)
            await self.docker("remove_container", found.id, v=True, force=True)
        except NotFound:
            return

    # Hearing of it at once

    def watch(self) -> None:
        """Listen to the engine's events of this container."""
        self._watched_id = self.object_id
        self._engine_events().watch(self.object_id, self.look_now)

    def unwatch(self) -> None:
        """Listen no more."""
        if self._watched_id:
            self._engine_events().forget(self._watched_id)
            self._watched_id = ""

    def _engine_events(self) -> EngineEvents:
        """The one stream of this hub."""
        if self.hub_id not in self._events:
            self._events[self.hub_id] = EngineEvents(
                self.engine.connect, f"p2m.hub={self.hub_id}", self.log, self.request_sweep
            )
        return self._events[self.hub_id]
