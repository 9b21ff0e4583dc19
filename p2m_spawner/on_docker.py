"""What spawners on Docker's API share, whether that runs a user's Blender as a container or as a service of a swarm."""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import ConnectionError as RequestsConnectionError
from traitlets import Int, Unicode, default

from .docker_calls import PooledDockerCalls
from .docker_options import HOME
from .errors import SpawnFailure, engine_silent
from .mixin import BlenderSpawnerMixin

IMAGE_SETTING_LABEL = "p2m.image-setting"
"""Label of a server: which image the operator's setting named when it was created."""

TOKEN_VARIABLE = "JUPYTERHUB_API_TOKEN"  # noqa: S105
"""What in a server's environment has its hub token."""

DISK_FULL = "no space left on device"

Document = dict[str, Any]
"""What the engine says of one of its objects."""


def environment_of(lines: Iterable[str] | None) -> dict[str, str]:
    """The environment that a server was given.

    Args:
        lines: ``NAME=value``, as the engine has it.
    """
    return dict(line.split("=", 1) for line in lines or [] if "=" in line)


def moment(text: str) -> datetime | None:
    """A time as the engine writes it, for example ``2026-11-25T03:36:01.123456789Z``; None for its ``0001-01-01…``."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    try:
        read = datetime.fromisoformat(f"{seconds}.{fraction[:6] or '0':0<6}+00:00")
    except ValueError:
        return None
    return read if read.year > 1 else None


class OnDocker(BlenderSpawnerMixin, PooledDockerCalls):
    """The mixin on DockerSpawner or one of its kind."""

    hub_id = Unicode(
        "p2m",
        help="""
        Text (default ``p2m``) that tells the containers of this hub from those of other hubs on the same engine.
        It is the value of the container label ``p2m.hub``. Set it to something of this hub's own: containers that
        bear it and belong to no server in the hub's database are removed, for example after a stop that failed. With
        the default, which another hub may have as well, none is.

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

    starts_at_once = Int(
        None,
        min=1,
        allow_none=True,
        help="""
        Number (default: as many as the engine's machine has processors) of servers that start at the same time; more
        wait for their turn, in the order in which they were asked for, and their spawn pages say which place they
        have. A start keeps about 1.5 processors busy for 3 seconds. A server that pulls its image does not count.

        Example: ``c.BlenderDockerSpawner.starts_at_once = 8``.
        """,
    ).tag(config=True)

    engine_options = frozenset({"image"})  # with allowed_images

    # Of DockerSpawner:
    object_id: str  # the container or service, empty while there is none
    object_name: str
    object_type: str
    object_id_key: str
    image: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.image_setting: str = self.image
        """The operator's own, before a user's or a group's choice."""

    # Defaults of DockerSpawner's traits that make a server a user's own Blender

    @default("image")
    def _image_default(self) -> str:
        return "p2m/blender-singleuser:latest"

    @default("prefix")
    def _prefix_default(self) -> str:
        return "p2m"

    @default("notebook_dir")
    def _notebook_dir_default(self) -> str:
        return HOME

    @default("mem_limit")
    def _mem_limit_default(self) -> int:
        return 4 * 1024**3

    @default("cpu_limit")
    def _cpu_limit_default(self) -> float:
        return 2.0

    @default("volumes")
    def _volumes_default(self) -> dict[str, str]:
        # Two Blenders that saved their session into one home would overwrite each other's work.
        return {"p2m-{username}--{servername}" if self.name else "p2m-{username}": HOME}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the server, by which operators, ``make down`` and a restarted hub know it again."""
        return {
            "p2m.hub": self.hub_id,
            "p2m.user": self.user.name,
            "p2m.server": self.name,
            IMAGE_SETTING_LABEL: self.image_setting,
        }

    def engine_options_form(self) -> Any:
        """DockerSpawner's own page, for ``allowed_images``."""
        return super()._default_options_form()

    async def get_object(self) -> Document | None:
        """What ``docker inspect`` says of the container or service, None when there is none.

        DockerSpawner takes an engine's error 500 for "gone" as well, which would lose a running server: so what is
        gone is asked about once more.

        Raises:
            docker.errors.DockerException, OSError: The engine does not answer, or not with an answer.
        """
        found: Document | None = await super().get_object()
        if found is None:
            try:
                found = await self.docker(f"inspect_{self.object_type}", self.object_name)
                self.object_id = found[self.object_id_key]
            except NotFound:
                return None
        return found

    async def created(self, creation: Awaitable[Document]) -> Document:
        """Wait for a call that creates the object. Cancelled in the middle, still learn what the engine has made."""
        creating = asyncio.ensure_future(creation)
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            with suppress(DockerException, OSError):
                self.object_id = (await creating)[self.object_id_key]
            raise

    def engine_is_silent(self, error: BaseException) -> bool:
        """Whether an error is the engine's own or of the way to it, and not an answer about the server."""
        if isinstance(error, APIError):
            return not error.is_client_error()
        return isinstance(error, DockerException | OSError)  # requests' own are OSError

    def explain(self, error: BaseException) -> SpawnFailure | None:
        """As the mixin's; also puts what docker-py and its HTTP library raise into words."""
        if disk_is_full(error):
            return SpawnFailure(
                "The disk of the machine that runs the containers is full. Tell the administrator.",
                reason="disk_full",
                log_message=f"Docker: {error}",
            )
        if isinstance(error, RequestsConnectionError):
            return engine_silent(f"Docker: {error}")
        if isinstance(error, DockerException | OSError):
            return SpawnFailure(
                "Your container could not be started. Try again; if it happens again, tell the administrator.",
                reason="engine",
                log_message=f"Docker: {error}",
            )
        return super().explain(error)


def disk_is_full(error: BaseException) -> bool:
    """Whether the engine refused because a disk has no room."""
    return isinstance(error, APIError) and DISK_FULL in str(error)
