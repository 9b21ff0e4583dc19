"""Answers of the hub, kept for some seconds; and a while longer when the hub cannot be asked.

While the hub restarts, nobody can revoke a token, stop a server or delete a user, so what it said last still holds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from p2m_spawner.gateway.recent import Recent
from p2m_spawner.hub_client import HubAway

log = logging.getLogger(__name__)

WHILE_AWAY = 60.0
"""Seconds for which an answer is used beyond its time while the hub is away."""

PATIENCE = 3.0
"""Seconds that the hub has for a new answer when there is an old one."""

LEFT_ALONE = 5.0
"""Seconds for which a hub that is away is not asked again where there is an old answer."""

T = TypeVar("T")


class HubAnswers(Generic[T]):
    """A cache in front of one question to the hub.

    Args:
        seconds: How long an answer is good.
        most: How many are kept; the oldest go first.
        clock: Seconds that only grow.
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float]) -> None:
        self._kept: Recent[T] = Recent(seconds, most, clock)
        self._clock = clock
        self._ask_from = float("-inf")

    async def get(self, key: str, ask: Callable[[], Awaitable[T | None]], *, fresh: bool = False) -> T | None:
        """The answer for a key.

        Args:
            key: What it is kept under.
            ask: Asks the hub; None is not kept.
            fresh: Whether only a new answer will do.

        Raises:
            HubAway, HubRefused: It cannot be told now.
        """
        if not fresh and (kept := self._kept.get(key)) is not None:
            return kept
        old = None if fresh else self._kept.get(key, WHILE_AWAY)
        if old is not None and self._clock() < self._ask_from:
            return old
        try:
            async with asyncio.timeout(None if old is None else PATIENCE):
                answer = await ask()
        except (HubAway, TimeoutError) as error:
            if old is None:
                raise
            log.info("The hub is away, so what it said last is used: %r", error)
            self._ask_from = self._clock() + LEFT_ALONE
            return old
        if answer is None:
            self._kept.drop(key)
        else:
            self._kept.put(key, answer)
        return answer

    def drop(self, key: str) -> None:
        """Ask the hub anew the next time."""
        self._kept.drop(key)
