"""Listens to the engine, so that the hub hears at once when a container ends; polling remains what it can rely on.

One stream for all containers of a hub, in a thread of its own, because docker-py reads it blocking. It lives while
somebody watches, and comes back by itself when the engine was away.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Pause between two tries to connect, in seconds: doubled each time up to this."""

ENDS = ["die", "destroy"]
"""Events of a container that the hub should know: its first process ended, or it was removed."""


class _Listening:
    """What a listening thread shares with the event loop that it tells."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.ended = threading.Event()
        self.stream: Any = None

    def tell(self, what: Callable[..., object], *args: object) -> None:
        """Call something in the event loop (the thread)."""
        with suppress(RuntimeError):  # the loop is closed: the hub ends
            self.loop.call_soon_threadsafe(what, *args)

    def end(self) -> None:
        """Have the thread end (the event loop)."""
        self.ended.set()
        with suppress(OSError, DockerException):
            if self.stream is not None:
                self.stream.close()


class EngineEvents:
    """The ends of containers.

    Args:
        connect: Makes a client of its own for the stream.
        label: Only containers with this label (``name=value``).
        log: The hub's log.
        came_back: Called in the event loop when the engine answers again after it did not.
    """

    def __init__(
        self,
        connect: Callable[[], docker.APIClient],
        label: str,
        log: logging.Logger,
        came_back: Callable[[], object] = lambda: None,
    ) -> None:
        self._connect = connect
        self._filters = {"type": "container", "event": ENDS, "label": label}
        self._log = log
        self._came_back = came_back
        self._watched: dict[str, Callable[[], object]] = {}
        self._listening: _Listening | None = None

    def watch(self, container: str, look: Callable[[], object]) -> None:
        """Have ``look`` called in this event loop when the container ends, and when the engine was away.

        Args:
            container: Its id.
            look: Finds out what is the matter; it may also be called when nothing is.
        """
        self._watched[container] = look
        if self._listening is None:
            self._listening = _Listening(asyncio.get_running_loop())
            threading.Thread(target=self._listen, args=(self._listening,), name="p2m-events", daemon=True).start()

    def forget(self, container: str) -> None:
        """Watch a container no more; the stream ends with the last one."""
        self._watched.pop(container, None)
        if not self._watched and self._listening is not None:
            self._listening.end()
            self._listening = None

    def _listen(self, listening: "_Listening") -> None:
        """Read streams until it is ended (a thread's work)."""
        pause = FIRST_PAUSE_S
        connected_before = False
        while not listening.ended.is_set():
            try:
                with self._connect() as client:
                    listening.stream = client.events(filters=self._filters, decode=True)
                    if listening.ended.is_set():
                        return
                    pause = FIRST_PAUSE_S
                    # What ended before the stream began is not in it.
                    listening.tell(self._all, connected_before)
                    connected_before = True
                    for event in listening.stream:
                        listening.tell(self._one, event["id"])
            except (DockerException, RequestException, OSError, ValueError) as error:
                self._log.warning("The engine's events are not to be had: %s", error)
            listening.ended.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _one(self, container: str) -> None:
        if look := self._watched.get(container):
            look()

    def _all(self, after_an_outage: bool) -> None:
        for look in list(self._watched.values()):
            look()
        if after_an_outage:
            self._came_back()
