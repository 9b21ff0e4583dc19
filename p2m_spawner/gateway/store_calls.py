"""The way from the event loop to the database: calls that block run in threads, with a deadline."""

import asyncio
import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from p2m_spawner.database import is_in_memory

log = logging.getLogger(__name__)

DEADLINE = 10.0
"""Seconds until a call that has not returned is given up."""

P = ParamSpec("P")
R = TypeVar("R")


class StoreAway(Exception):
    """The gateway's database does not answer; the log says why."""


class StoreCalls:
    """Runs calls to one database.

    Args:
        url: Of the database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        # An in-memory SQLite database is one connection, which threads must not share.
        self._pool = ThreadPoolExecutor(1 if is_in_memory(url) else 4, thread_name_prefix="p2m-store")

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the call returns.

        Raises:
            StoreAway: It failed, or took too long.
        """
        work = asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(call, *args, **kwargs))
        try:
            return await asyncio.wait_for(work, DEADLINE)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.exception("The gateway's database %r does not answer", self._url)
            raise StoreAway from error

    def close(self) -> None:
        """Wait for running calls."""
        self._pool.shutdown()
