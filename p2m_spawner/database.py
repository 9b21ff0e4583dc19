"""What our own tables have in common, in any database that SQLAlchemy opens. Blocking: callers use threads."""

import os
import threading
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import CursorResult, DateTime, Engine, Executable, TypeDecorator, create_engine
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

from p2m_spawner.schema import Schema, prepare, sqlite_file

LOCK_TIMEOUT = 5.0
"""Seconds to wait for a locked SQLite file or a free connection."""

CONNECT_TIMEOUT = 5
"""Seconds to wait for a PostgreSQL server to answer."""


class Time(TypeDecorator[datetime]):
    """A time in UTC. SQLite keeps no time zone and returns none, PostgreSQL returns that of the connection."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The same time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Store:
    """A database with some tables. Every use may raise sqlalchemy.exc.SQLAlchemyError.

    The tables are made or checked at the first use, so a database that comes up later than we do is no problem.

    Args:
        url: An SQLAlchemy URL with a blocking driver, see `database_url`; SQLite files are created with mode 0600.
        schema: The tables.

    Attributes:
        url: The parsed URL.

    Raises:
        sqlalchemy.exc.ArgumentError: The URL cannot be parsed.
        sqlalchemy.exc.NoSuchModuleError, ImportError: The database's driver is not installed.
    """

    def __init__(self, url: str, schema: Schema) -> None:
        self.url = database_url(url)
        self._schema = schema
        self._engine = _engine(self.url)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        self._ready = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def prepare(self) -> None:
        """Make the tables, or bring them up to date; at most once.

        Raises:
            p2m_spawner.schema.WrongSchema: They cannot be used.
            sqlalchemy.exc.SQLAlchemyError: The database does not answer; the next use tries again.
        """
        with self._lock:
            if not self._ready:
                _protect_sqlite_file(self.url)
                prepare(self._engine, self._schema)
                self._ready = True

    def _session(self) -> Session:
        """A new session; its transaction is the caller's to begin."""
        self.prepare()
        return self._sessions()

    def _changes(self, statement: Executable) -> int:
        """Number of rows that a statement has changed, in a transaction of its own."""
        with self._session() as session, session.begin():
            return cast("CursorResult[tuple[()]]", session.execute(statement)).rowcount


def database_url(text: str) -> URL:
    """A database's URL; ``postgresql://`` and ``postgres://`` mean psycopg 3, and a wait of some seconds at most.

    Raises:
        sqlalchemy.exc.ArgumentError: It cannot be parsed.
    """
    url = make_url(text)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(CONNECT_TIMEOUT)})
    return url


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
    if path := sqlite_file(url):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
