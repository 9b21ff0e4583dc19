"""The one door to a Docker engine: docker-py's blocking calls, made in threads.

Calls share a small pool of threads. Pulls, which last minutes, have threads of their own (``docker_pull.py``), so that
no call waits for one. Knows no spawner and no hub.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import docker

from .docker_pull import ImagePulls, PullListener

P = ParamSpec("P")
T = TypeVar("T")


class DockerEngine:
    """Calls of one engine, from one event loop.

    Each thread has a docker-py client of its own: a client is a ``requests.Session``, which is not made to be used by
    several threads at once.

    Args:
        client_options: Arguments of :class:`docker.APIClient`, such as ``base_url`` or ``tls``; the API version is
            the engine's unless given.
        threads: Number of calls at the same time, pulls apart.
    """

    def __init__(self, client_options: Mapping[str, Any], threads: int) -> None:
        self._client_options = dict(client_options)
        self._version = "auto"
        self._processors = 0
        self._of_thread = threading.local()
        self._pulls = ImagePulls(self._options)
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix="docker")

    @property
    def client(self) -> docker.APIClient:
        """The client of the thread that asks.

        Raises:
            docker.errors.DockerException: The first client could not ask the engine for its version.
        """
        if not hasattr(self._of_thread, "client"):
            self._of_thread.client = self.connect()
            self._version = self._of_thread.client.api_version  # so that the next ones need not ask
        client: docker.APIClient = self._of_thread.client
        return client

    def connect(self) -> docker.APIClient:
        """A client of the caller's own, who closes it: for a stream, which keeps its connection.

        Raises:
            docker.errors.DockerException: The engine could not be asked for its version.
        """
        return docker.APIClient(**self._options())

    def _options(self) -> dict[str, Any]:
        return {"version": self._version, **self._client_options}

    def run(
        self, function: Callable[Concatenate[docker.APIClient, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run ``function(client, *args, **kwargs)`` in a thread of the pool.

        Returns:
            Its result. A call that has begun goes on when the future is cancelled; one that still waits for a thread
            is not made.
        """
        return asyncio.wrap_future(self.executor.submit(lambda: function(self.client, *args, **kwargs)))

    def call(self, method: str, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Call a method of :class:`docker.APIClient` in a thread of the pool, as :meth:`run` does.

        Args:
            method: Name of the method, for example ``inspect_container``.
            args: Its arguments.
            kwargs: Its keyword arguments.
        """
        return self.run(lambda client: getattr(client, method)(*args, **kwargs))

    async def processors(self) -> int:
        """How many processors the engine's machine has; asked once.

        Raises:
            docker.errors.DockerException: The engine does not answer.
        """
        if not self._processors:
            self._processors = int((await self.call("info"))["NCPU"])
        return self._processors

    async def pull(self, repository: str, tag: str | None = None, *, listener: PullListener, **options: Any) -> None:
        """Pull an image. Several who want the same image wait for one pull.

        Args:
            repository: The image, with or without its tag or digest.
            tag: Its tag, when ``repository`` has none.
            listener: Told how far the pull is, also of one that somebody else began.
            options: More arguments of :meth:`docker.APIClient.pull`.

        Raises:
            PullFailed: The image could not be fetched.
            docker.errors.DockerException: The engine does not answer.
        """
        await self._pulls.pull(repository, tag, listener, options)
