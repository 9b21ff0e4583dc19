"""Users' servers: how they are, their start (one at a time per user, whoever asks), their stop, their status document.

A start is driven by the hub's REST API and told by its progress events, so every spawner that the hub can have works.
Servers are asked directly, with the gateway's own token (scope ``access:servers``).
"""

import asyncio
import contextlib
import functools
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Literal, Self

import httpx2

from p2m_spawner import urls
from p2m_spawner.gateway.hub_answers import HubAnswers
from p2m_spawner.hub_client import HubAway, HubClient, HubRefused, HubServer, HubUser, ServerPlace

log = logging.getLogger(__name__)

RETRY_INTERVAL = 0.25
"""Seconds between two looks at something that the hub does not announce."""

STOP_DEADLINE = 60.0
"""Seconds for which a start waits for the end of a stop."""

PLACE_KNOWN_FOR = 30.0
"""Seconds for which the address of a server is kept; it changes with each start only."""

MOST_PLACES = 5000
"""Addresses that are kept at most."""

JUPYTER_STATUS = "api/status"
"""Jupyter Server's own status."""

LARGEST_DOCUMENT = 1024 * 1024
"""Bytes of a status document; a server that sends more is not listened to."""

STATUS_TIMEOUT = httpx2.Timeout(5.0, connect=2.0)
"""Of one question for a status document."""

STREAM_TIMEOUT = httpx2.Timeout(None, connect=5.0, write=60.0)
"""Of a request whose answer may take any time."""

Status = dict[str, Any]

State = Literal["stopped", "starting", "ready", "stopping"]


NOWHERE = ServerPlace(None, None, None)
"""The place of a server that does not run."""


class StartFailed(Exception):
    """A server could not be started; the text is the user's sentence."""


@dataclass(frozen=True)
class Progress:
    """One step of a start.

    Attributes:
        percent: How far it is, 0 to 100.
        message: What is being done.
    """

    percent: float
    message: str


def state_of(server: HubServer | None) -> State:
    """How a server is; None is one that is stopped."""
    if server is None:
        return "stopped"
    if server.pending == "stop":
        return "stopping"
    return "ready" if server.ready else "starting"


class Start:
    """One start, shared by all who wait for it.

    Args:
        user: Whose server.
        run: Does it, and tells its steps to the start that it gets.

    Attributes:
        steps: What has been told so far.
    """

    def __init__(self, user: str, run: Callable[["Start"], Coroutine[None, None, None]]) -> None:
        self.user = user
        self.steps: list[Progress] = []
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(run(self), name=f"start of {user}")
        self.task.add_done_callback(self._over)

    @property
    def message(self) -> str:
        """What is being done now."""
        return self.steps[-1].message if self.steps else "The hub has been asked to start the server …"

    async def ready(self) -> None:
        """Wait for its end; giving up the wait does not end the start.

        Raises:
            StartFailed: The server could not be started.
            HubAway: The hub went away meanwhile.
        """
        await asyncio.shield(self.task)

    async def follow(self) -> AsyncGenerator[Progress, None]:
        """Yield each step as it comes, those from before too, until the start is over.

        Raises:
            StartFailed, HubAway: As :meth:`ready`.
        """
        shown = 0
        while True:
            changed = self._changed
            while shown < len(self.steps):
                yield self.steps[shown]
                shown += 1
            if self.task.done():
                await self.ready()
                return
            await changed.wait()

    def tell(self, step: Progress) -> None:
        """Add a step."""
        self.steps.append(step)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _over(self, task: asyncio.Task[None]) -> None:
        """Wake who follows; look at the error, so that asyncio does not report one that nobody waited for."""
        self._wake()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StartFailed | HubAway):
            log.error("%s went wrong", task.get_name(), exc_info=error)


class Servers:
    """The servers of all users. Use from one event loop; close it in the end.

    Args:
        hub: Starts, stops and describes them.
        token: A hub token that opens every server.
        clock: Monotonic seconds.
    """

    def __init__(self, hub: HubClient, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._clock = clock
        self._starts: dict[str, Start] = {}
        self._places: HubAnswers[ServerPlace] = HubAnswers(PLACE_KNOWN_FOR, MOST_PLACES, clock)
        self.http = httpx2.AsyncClient(
            headers={"Authorization": f"token {token}"},
            timeout=STATUS_TIMEOUT,
            trust_env=False,  # never by a proxy of the environment
            cookies=_no_cookies(),
        )
        """Sends requests to users' servers with the gateway's token."""
        self.streams = httpx2.AsyncClient(
            headers=self.http.headers,
            timeout=STREAM_TIMEOUT,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=60.0),
            trust_env=False,
            cookies=_no_cookies(),
        )
        """The same for answers that may take hours, as many at once as there are."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = [start.task for start in self._starts.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.http.aclose()
        await self.streams.aclose()

    async def place(self, user: HubUser) -> ServerPlace:
        """Where a user's server is, as the hub said for this start of it at most `PLACE_KNOWN_FOR` seconds ago."""
        server = user.server
        if server is None:
            return NOWHERE
        key = f"{user.name} {server.started}"
        place = await self._places.get(key, lambda: self._hub.server_place(user.name))
        if place is None or place.address is None:
            self._places.drop(key)  # soon it has one
        return place or NOWHERE

    async def url(self, user: HubUser, path: str) -> str | None:
        """Where a path below a user's server (see :mod:`p2m_spawner.urls`) is reached from here; None: not ready."""
        address = (await self.place(user)).address
        return urls.below(f"{address}{user.server.url}", path) if address and user.server else None

    async def status(self, user: HubUser) -> Status | None:
        """A server's status document (docs/architecture.md, "Status"), None while it does not answer."""
        return await self._document(user, urls.STATUS)

    async def last_activity(self, user: HubUser) -> datetime | None:
        """When a server was last used, as it says itself; None while it does not answer.

        More exact than what the hub knows: the server reports to it every five minutes.
        """
        document = await self._document(user, JUPYTER_STATUS)
        try:
            return datetime.fromisoformat(document["last_activity"]) if document else None
        except (KeyError, TypeError, ValueError):
            return None

    async def _document(self, user: HubUser, path: str) -> dict[str, Any] | None:
        url = await self.url(user, path)
        if url is None:
            return None
        try:
            async with self.http.stream("GET", url) as answer:
                text = bytearray()
                async for piece in answer.aiter_bytes():
                    text += piece
                    if len(text) > LARGEST_DOCUMENT:
                        raise ValueError(f"more than {LARGEST_DOCUMENT} bytes")
            document = json.loads(text) if answer.is_success else None
        except (httpx2.TransportError, ValueError) as error:
            log.info("%s of %s: %r", path, user.name, error)
            return None
        return document if isinstance(document, dict) else None

    def starting(self, name: str) -> Start | None:
        """The start that goes on for a user, None when there is none."""
        return self._starts.get(name)

    def start(self, name: str) -> Start:
        """Start a user's server; joins a start that goes on. Does not wait."""
        start = self._starts.get(name)
        if start is None or start.task.done():
            start = self._starts[name] = Start(name, self._start)
            start.task.add_done_callback(functools.partial(self._forget, start))
        return start

    def _forget(self, start: Start, task: asyncio.Task[None]) -> None:
        """Drop a start that is over, unless the next one has taken its place."""
        if self._starts.get(start.user) is start:
            del self._starts[start.user]

    async def stop(self, user: HubUser) -> None:
        """Ask for the end of a user's server; does nothing when there is none."""
        if user.server is not None:
            await self._hub.stop_server(user.name)

    async def _start(self, start: Start) -> None:
        """Ask the hub, and follow its progress until the server is ready.

        Raises:
            StartFailed, HubAway: See :meth:`Start.ready`.
        """
        asking = asyncio.create_task(self._ask(start.user))
        try:
            while not await self._follow(start, asking):
                if asking.done() and (asking.result() or await self._has_become_ready(start.user)):
                    return
                await asyncio.sleep(RETRY_INTERVAL)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _has_become_ready(self, name: str) -> bool:
        """Whether a server that was starting is ready now.

        Raises:
            StartFailed: It is neither.
        """
        user = await self._hub.user(name)
        state = state_of(user.server if user else None)
        if state in ("stopped", "stopping"):
            raise StartFailed("The server was stopped while it was starting.")
        return state == "ready"

    async def _ask(self, name: str) -> bool:
        """Ask for the server; tells whether it is ready, otherwise it is starting.

        Raises:
            StartFailed: The hub refuses.
        """
        end = self._clock() + STOP_DEADLINE
        seen_stopped = False
        while True:
            try:
                return await self._hub.start_server(name)
            except HubRefused as refusal:
                user = await self._hub.user(name)
                if user is None:
                    raise StartFailed("There is no such user at this hub.") from refusal
                state = state_of(user.server)
                if state in ("ready", "starting"):
                    return state == "ready"
                if self._clock() > end:
                    raise StartFailed(f"The server did not stop within {STOP_DEADLINE:.0f} seconds.") from refusal
                # One that was stopping when the hub refused may have stopped before it was asked about: once more.
                if state == "stopped" and (seen_stopped or refusal.status != 400):
                    raise StartFailed(refusal.message) from refusal
                seen_stopped = state == "stopped"
            await asyncio.sleep(RETRY_INTERVAL)

    async def _follow(self, start: Start, asking: asyncio.Task[bool]) -> bool:
        """Pass on the hub's progress events; tells whether the server is ready, False when nothing is starting yet.

        Raises:
            StartFailed: The start has failed.
        """
        is_new = asking.done()
        try:
            async with contextlib.aclosing(self._hub.progress(start.user)) as events:
                async for event in events:
                    if event.get("failed"):
                        # Until the hub has taken the request, it still tells of the start before.
                        if not is_new:
                            return False
                        raise StartFailed(_sentence(event))
                    if event.get("ready") and not is_new:
                        return False  # so long a server that has died may still pass for ready
                    is_new = True
                    start.tell(Progress(float(event.get("progress", 0)), str(event.get("message", ""))))
                    if event.get("ready"):
                        return True
        except HubRefused as refusal:
            # JupyterHub 6.1 answers 500 while it looks whether a server that it is asked to start has died.
            if refusal.status not in (400, 404) and (refusal.status != 500 or asking.done()):
                raise
        return False


def _no_cookies() -> CookieJar:
    """A jar that keeps nothing: all servers are one site for it, and one user's must not set another's cookies."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _sentence(event: dict[str, Any]) -> str:
    """Why a start failed, without the words that JupyterHub puts in front."""
    return str(event.get("message") or "The server could not be started.").removeprefix("Spawn failed: ")
