"""Looks after all servers of a hub with one question to the manager every other second.

Swarm tells of no ends: a manager's events name services and nodes, and those of containers are each machine's own.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping

PAUSE_S = 2.0
"""Seconds between two looks at least."""

PAUSE_PER_ANSWER = 10.0
"""How many times as long as the last answer took the next look waits at least, where there are many servers."""

LONGEST_PAUSE_S = 30.0
"""As often as JupyterHub polls each server in any case."""

Facts = Mapping[str, Hashable]
"""By service: whatever is other when something has happened to it."""


class SwarmWatch:
    """Calls somebody when what the manager says of their service is not what it said before.

    Args:
        ask: The facts of all services of the hub.
        is_silent: Whether what it raised means that no manager answered.
        log: The hub's log.
        came_back: Called when a manager answers again after none did.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Facts]],
        is_silent: Callable[[BaseException], bool],
        log: logging.Logger,
        came_back: Callable[[], object],
    ) -> None:
        self._ask = ask
        self._is_silent = is_silent
        self._log = log
        self._came_back = came_back
        self._watched: dict[str, Callable[[], object]] = {}
        self._looking: asyncio.Task[None] | None = None

    def watch(self, service: str, look: Callable[[], object]) -> None:
        """Have ``look`` called whenever something happens to a service.

        Args:
            service: Its id.
            look: Finds out what is the matter; may also be called when nothing is.
        """
        self._watched[service] = look
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking())

    def forget(self, service: str) -> None:
        """Watch a service no more; with the last one the looking ends."""
        self._watched.pop(service, None)
        if not self._watched and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _keep_looking(self) -> None:
        before: Facts = {}
        was_away = False
        while True:
            began = time.monotonic()
            try:
                now = await self._ask()
            except Exception as error:
                if not self._is_silent(error):
                    self._log.exception("The servers are not watched; they are polled as before")
                    raise
                if not was_away:
                    self._log.warning("No manager of the cluster answers: %s", error)
                was_away = True
            else:
                if was_away:
                    was_away = False
                    self._came_back()
                for service, look in list(self._watched.items()):
                    if service in before and before[service] != now.get(service):
                        look()
                # What appeared between two looks counts from now on.
                before = {service: now.get(service) for service in self._watched}
            took = time.monotonic() - began
            await asyncio.sleep(min(max(PAUSE_S, PAUSE_PER_ANSWER * took), LONGEST_PAUSE_S))
