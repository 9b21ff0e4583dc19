"""Calls to an engine that may be away for a while. Pure: engine, clock and pause are the caller's."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import engine_silent

T = TypeVar("T")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
"""Pause between two tries, in seconds: doubled each time up to this."""


async def patiently(
    call: Callable[[], Awaitable[T]],
    is_silent: Callable[[BaseException], bool],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Call until the engine answers.

    Args:
        call: Asks the engine; may be repeated.
        is_silent: Whether what it raised means that the engine did not answer; anything else is raised on.
        seconds: After which no further try is made; 0 for a single one.
        clock: Seconds that only grow; another one in tests.
        sleep: Waits; another one in tests.

    Returns:
        What the call returned.

    Raises:
        EngineSilent: The engine did not answer in time.
    """
    end = clock() + seconds
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await call()
        except Exception as error:
            if not is_silent(error):
                raise
            if clock() + pause > end:
                raise engine_silent(f"The engine did not answer for {seconds:g} s: {error}") from error
        await sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
