"""Removes servers of this hub that nobody owns any more: a stop or a start that failed has left them at the engine.

Knows neither engine nor hub: it is told how to list, who owns, and how to remove.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Pause between two tries while the engine does not answer, in seconds: doubled each time up to this."""

PATIENCE_S = 3600.0
"""Seconds after which a sweep is given up; the next start of the hub, or the next failure, asks for another."""


@dataclass(frozen=True)
class FoundServer:
    """A server that an engine has.

    Attributes:
        user: Name of the user.
        server: Name of the server, empty for the default one.
        id: What the engine calls it.
    """

    user: str
    server: str
    id: str


class Sweeper:
    """Sweeps once for each request, and again while the engine does not answer.

    Args:
        look: Lists all servers of this hub that the engine has, running or not.
        owned: Names (user, server) of those that the hub's database knows to be running or starting.
        remove: Ends and removes one; its home stays.
        is_silent: Whether an error means that the engine did not answer.
        log: The hub's log.
        sleep: Waits; another one in tests.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Iterable[FoundServer]]],
        owned: Callable[[], set[tuple[str, str]]],
        remove: Callable[[FoundServer], Awaitable[None]],
        is_silent: Callable[[BaseException], bool],
        log: logging.Logger,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._look = look
        self._owned = owned
        self._remove = remove
        self._is_silent = is_silent
        self._log = log
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def request(self) -> asyncio.Task[None]:
        """Sweep soon; a sweep that has not ended yet, because the engine does not answer, is that sweep."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._until_swept())
        return self._task

    async def _until_swept(self) -> None:
        pause, waited = FIRST_PAUSE_S, 0.0
        while True:
            try:
                await self.sweep()
                return
            except Exception as error:  # noqa: BLE001 - a boundary: nobody awaits this task
                if not self._is_silent(error):
                    self._log.exception("Orphaned servers were not swept")
                    return
                if waited >= PATIENCE_S:
                    self._log.error("Orphaned servers were not swept: no engine for %g s: %s", waited, error)
                    return
            await self._sleep(pause)
            waited += pause
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def sweep(self) -> None:
        """Remove each server that nobody owns.

        Raises:
            Exception: What listing or removing raised.
        """
        found = list(await self._look())
        # Asked after the list: a start that began meanwhile is in the database before its container exists.
        owned = self._owned()
        for server in found:
            name = (server.user, server.server)
            # Asked again, for to remove another one has taken a while.
            if name not in owned and name not in self._owned():
                self._log.warning("Removing a server of %s:%s that nobody owns: %s", *vars(server).values())
                await self._remove(server)
