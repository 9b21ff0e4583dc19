"""Waiting with a deadline, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(look: Callable[[], T], seconds: float, what: str, interval: float = 0.1) -> T:
    """Call ``look`` until it returns something true.

    Args:
        look: Returns what is waited for, or something false; ``OSError`` and ``AssertionError`` count as not yet.
        seconds: Deadline.
        what: What is waited for, for the error.
        interval: Seconds between two looks.

    Raises:
        TimeoutError: The deadline passed; says what was waited for and what was seen last.
    """
    end = time.monotonic() + seconds
    while True:
        seen: object
        try:
            seen = look()
            if seen:
                return seen
        except (OSError, AssertionError) as error:
            seen = error
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s; last seen: {seen!r}")
        time.sleep(interval)


async def wait_for_async(look: Callable[[], T | Awaitable[T]], seconds: float, what: str, interval: float = 0.1) -> T:
    """As :func:`wait_for`, for coroutines, without blocking the loop between two looks."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s; last seen: {seen!r}")
        await asyncio.sleep(interval)
