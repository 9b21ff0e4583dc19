"""DockerSpawner's own ways to the engine (``client``, ``executor``, ``docker()``) with more than one thread behind."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import docker
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env
from dockerspawner import DockerSpawner
from traitlets import Int

from .docker_engine import DockerEngine
from .pull_progress import PullProgress


class PooledDockerCalls(DockerSpawner):
    """DockerSpawner, or in front of one of its kind: what they inherit and what hooks call keeps working."""

    docker_threads = Int(
        8,
        min=1,
        help="""
        Number (default 8) of calls to the Docker engine that the hub makes at the same time. Each has a thread and a
        connection of its own. Pulls of images are apart and do not count.

        Example: ``c.BlenderDockerSpawner.docker_threads = 16`` for a hub where hundreds start at the same hour.
        """,
    ).tag(config=True)

    _engine: ClassVar[DockerEngine | None] = None

    @property
    def engine(self) -> DockerEngine:
        """The one engine of this hub. As with DockerSpawner, the configuration of the first spawner counts."""
        cls = type(self)
        if cls._engine is None:
            tls = {"tls": TLSConfig(**self.tls_config)} if self.tls_config else {}
            cls._engine = DockerEngine({**tls, **kwargs_from_env(), **self.client_kwargs}, self.docker_threads)
        return cls._engine

    @property
    def client(self) -> docker.APIClient:
        """The docker-py client of the thread that asks."""
        return self.engine.client

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The threads in which calls are made."""
        return self.engine.executor

    def docker(self, method: str, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Call a method of docker-py in a thread; ``pull`` apart from all others.

        Args:
            method: Name of a method of :class:`docker.APIClient`.
            args: Its arguments.
            kwargs: Its keyword arguments.
        """
        if method == "pull":
            return asyncio.ensure_future(self.engine.pull(*args, listener=self.tell_of_pull, **kwargs))
        return self.engine.call(method, *args, **kwargs)

    def tell_of_pull(self, progress: PullProgress) -> None:
        """Show how far the pull of this spawner's image is."""
        raise NotImplementedError
