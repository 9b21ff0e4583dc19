"""Pulls of images: in threads of their own, one pull an image however many wait for it, and told as they go."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import docker
import urllib3
from docker.errors import APIError, DockerException

from .pull_progress import PullProgress

PULLS_AT_ONCE = 4
"""Pulls of different images at the same time; more wait for their turn."""

SILENCE_S = 120.0
"""Seconds without a word from the engine after which a pull has failed. It speaks several times a second while it
fetches or unpacks; docker-py alone would wait for ever for a registry that hangs."""

TOLD_EVERY_S = 1.0
"""Seconds between two words to those who wait."""

PullListener = Callable[[PullProgress], None]
"""Called in the event loop with how far a pull is."""


Messages = Generator[dict[str, Any]]
"""What the engine says during a pull."""


class PullFailed(DockerException):
    """The engine could not fetch the image; the text is the engine's."""


class PullClient(docker.APIClient):
    """docker-py's client with a deadline for each silence of the engine, which ``APIClient.pull`` has not."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """As :meth:`requests.Session.send`."""
        return super().send(*args, **{**kwargs, "timeout": SILENCE_S})


class ImagePulls:
    """The pulls that are going on.

    Args:
        client_options: Returns the arguments of the docker client; called in the pull's thread.
        clock: Seconds that only grow; another one in tests.
    """

    def __init__(
        self, client_options: Callable[[], dict[str, Any]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client_options = client_options
        self._clock = clock
        self._going_on: dict[str, _Pull] = {}
        self._turns = asyncio.Semaphore(PULLS_AT_ONCE)

    async def pull(self, repository: str, tag: str | None, listener: PullListener, options: dict[str, Any]) -> None:
        """Pull an image, or wait for the pull of it that is going on.

        A pull that nobody waits for any more is ended.

        Args:
            repository: The image, with or without its tag or digest.
            tag: Its tag, when ``repository`` has none.
            listener: Told how far the pull is.
            options: More arguments of :meth:`docker.APIClient.pull`.

        Raises:
            PullFailed: The image could not be fetched.
            docker.errors.DockerException: The engine does not answer.
        """
        key = repr((repository, tag, sorted(options.items())))
        pull = self._going_on.get(key)
        if pull is None:

            def messages() -> Messages:
                with closing(PullClient(**self._client_options())) as client:
                    yield from client.pull(repository, tag, stream=True, decode=True, **options)

            pull = self._going_on[key] = _Pull(messages, self._turns, self._clock)
        pull.listeners.append(listener)
        try:
            if pull.progress.fraction:
                listener(pull.progress)
            await asyncio.shield(pull.end)
        finally:
            pull.listeners.remove(listener)
            if not pull.listeners and self._going_on.get(key) is pull:
                pull.abandoned.set()
                del self._going_on[key]


class _Pull:
    """One pull and those who wait for it.

    Args:
        messages: Pulls, and yields what the engine says; called and iterated in the pull's thread.
        turns: Taken for the time of the pull.
        clock: Seconds that only grow.
    """

    def __init__(self, messages: Callable[[], Messages], turns: asyncio.Semaphore, clock: Callable[[], float]) -> None:
        self.listeners: list[PullListener] = []
        self.progress = PullProgress()
        self.abandoned = threading.Event()
        self._messages = messages
        self._clock = clock
        self._told_at = float("-inf")
        self._told_percent = 0
        self._loop = asyncio.get_running_loop()
        self.end = self._loop.create_task(self._run(turns))

    async def _run(self, turns: asyncio.Semaphore) -> None:
        async with turns:
            if not self.abandoned.is_set():
                await in_own_thread(self._follow, "docker pull")

    def _follow(self) -> None:
        """Read what the engine says to its end, or until nobody wants the image any more."""
        try:
            with closing(self._messages()) as messages:
                for message in messages:
                    if self.abandoned.is_set():
                        return  # closes the connection, and with it ends the pull in the engine
                    if "error" in message:
                        raise PullFailed(message["error"])
                    self._loop.call_soon_threadsafe(self._hear, message)
        except APIError as error:
            raise PullFailed(error.explanation or str(error)) from error
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise PullFailed(str(error)) from error

    def _hear(self, message: dict[str, Any]) -> None:
        """Count a message and tell the listeners, not too often."""
        self.progress.add(message)
        percent, now = int(100 * self.progress.fraction), self._clock()
        if percent > self._told_percent and now >= self._told_at + TOLD_EVERY_S:
            self._told_percent, self._told_at = percent, now
            for listener in list(self.listeners):
                listener(self.progress)


def in_own_thread(function: Callable[[], None], name: str) -> asyncio.Future[None]:
    """Run a function in a thread that ends with it, and that does not keep the process from ending.

    Args:
        function: What to run.
        name: Name of the thread.
    """
    outcome: Future[None] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - it goes to whoever waits
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return asyncio.wrap_future(outcome)
