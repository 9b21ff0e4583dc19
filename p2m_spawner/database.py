"""Opens the databases in which we keep tables of our own. Blocking: callers use threads."""

import os
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

LOCK_TIMEOUT = 5.0
"""Seconds to wait for a locked SQLite file or a free connection."""


def open_engine(url: URL) -> Engine:
    """An engine for a URL; nothing is connected or created yet.

    Args:
        url: An SQLAlchemy URL with a blocking driver.

    Raises:
        sqlalchemy.exc.NoSuchModuleError, ImportError: The database's driver is not installed.
    """
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_timeout=LOCK_TIMEOUT)
    if is_in_memory(url):
        return create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    return create_engine(url, connect_args={"timeout": LOCK_TIMEOUT})


def is_in_memory(url: URL) -> bool:
    """Whether the URL is an SQLite database that lives in this process only."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def protect_sqlite_file(url: URL) -> None:
    """Make an SQLite file readable by its owner alone, before anything is in it. Does nothing for other databases."""
    if url.get_backend_name() != "sqlite" or is_in_memory(url) or (url.database or "").startswith("file:"):
        return
    path = Path(url.database or "")
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
