"""What our own tables have in common, in any database that SQLAlchemy opens. Blocking: callers use threads."""

import os
import threading
from pathlib import Path
from typing import cast

from sqlalchemy import CursorResult, Engine, Executable, MetaData, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

LOCK_TIMEOUT = 5.0
"""Seconds to wait for a locked SQLite file or a free connection."""


class Store:
    """A database with some tables. Every use may raise sqlalchemy.exc.SQLAlchemyError.

    The tables are made at the first use, so a database that comes up later than we do is no problem.

    Args:
        url: An SQLAlchemy URL with a blocking driver; SQLite files are created with mode 0600.
        tables: The tables.

    Attributes:
        url: The parsed URL.

    Raises:
        sqlalchemy.exc.ArgumentError: The URL cannot be parsed.
        sqlalchemy.exc.NoSuchModuleError, ImportError: The database's driver is not installed.
    """

    def __init__(self, url: str, tables: MetaData) -> None:
        self.url = make_url(url)
        self._tables = tables
        self._engine = _engine(self.url)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        self._ready = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _session(self) -> Session:
        """A new session; its transaction is the caller's to begin."""
        with self._lock:
            if not self._ready:
                _protect_sqlite_file(self.url)
                self._tables.create_all(self._engine)
                self._ready = True
        return self._sessions()

    def _changes(self, statement: Executable) -> int:
        """Number of rows that a statement has changed, in a transaction of its own."""
        with self._session() as session, session.begin():
            return cast("CursorResult[tuple[()]]", session.execute(statement)).rowcount


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_timeout=LOCK_TIMEOUT)
    if is_in_memory(url):
        return create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    return create_engine(url, connect_args={"timeout": LOCK_TIMEOUT})


def is_in_memory(url: URL) -> bool:
    """Whether the URL is an SQLite database that lives in this process only."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _protect_sqlite_file(url: URL) -> None:
    """Make an SQLite file readable by its owner alone, before anything is in it. Does nothing for other databases."""
    if url.get_backend_name() != "sqlite" or is_in_memory(url) or (url.database or "").startswith("file:"):
        return
    path = Path(url.database or "")
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
