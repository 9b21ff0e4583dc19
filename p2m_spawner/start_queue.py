"""Who may start now: starts go on a few at a time, in the order in which they were asked for.

A start is little but work for the processors. When ten go on at once, all ten take ten times as long and everybody at
work feels it; one after another, most are ready long before. Pure asyncio; knows no spawner and no engine.
"""

import asyncio
from collections.abc import Callable

LONGEST_TURN_S = 15.0
"""Seconds after which a start holds nobody back any more: one that hangs, or that a user lets hang, is no dam."""


class Turn:
    """One start's turn; ends by itself after `LONGEST_TURN_S`."""

    def __init__(self, end: Callable[[], None], seconds: float) -> None:
        self._end: Callable[[], None] | None = end
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        """Let the next start begin; again does nothing."""
        self._timer.cancel()
        if self._end:
            end, self._end = self._end, None
            end()


class StartQueue:
    """The starts of one hub, in one event loop.

    Args:
        seconds: After which a turn ends by itself.
    """

    def __init__(self, seconds: float = LONGEST_TURN_S) -> None:
        self._seconds = seconds
        self._going = 0
        self._waiting: dict[asyncio.Future[None], Callable[[int], None]] = {}

    async def turn(self, at_once: int, on_place: Callable[[int], None]) -> Turn:
        """Wait until fewer than ``at_once`` starts go on.

        Args:
            at_once: How many starts may go on at the same time, at least 1.
            on_place: Told the place in the queue, 1 for the next, whenever it changes; not called when nobody waits.

        Returns:
            The turn. Who has it ends it.
        """
        if self._going >= at_once or self._waiting:
            place = asyncio.get_running_loop().create_future()
            self._waiting[place] = on_place
            on_place(len(self._waiting))
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():  # its turn came in the same moment
                    self._next()
                elif self._waiting.pop(place, None):
                    self._tell_places()
                raise
        else:
            self._going += 1
        return Turn(self._next, self._seconds)

    def _next(self) -> None:
        """Hand a turn that ended to whoever waits longest."""
        if self._waiting:
            place = next(iter(self._waiting))
            del self._waiting[place]
            place.set_result(None)
            self._tell_places()
        else:
            self._going -= 1

    def _tell_places(self) -> None:
        for number, on_place in enumerate(self._waiting.values(), 1):
            on_place(number)
