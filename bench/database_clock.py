"""Measures in a hub's process how long SQL takes, and shows it among the hub's metrics.

Counted is from a statement's begin until the database has executed it, and commits. What SQLAlchemy does before and
after, such as making objects of rows, is not in it.
"""

import time
from typing import Any

from prometheus_client import Counter
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

SECONDS = Counter("bench_database_seconds", "Time in statements and commits")
STATEMENTS = Counter("bench_database_statements", "Statements and commits")


def start() -> None:
    """Count from now on."""
    commit = DefaultDialect.do_commit

    def timed_commit(dialect: DefaultDialect, connection: Any) -> None:
        began = time.perf_counter()
        commit(dialect, connection)
        note(began)

    DefaultDialect.do_commit = timed_commit  # type: ignore[method-assign]
    event.listen(Engine, "before_cursor_execute", begin)
    event.listen(Engine, "after_cursor_execute", end)


def begin(connection: Any, *_: object) -> None:
    """Before a statement."""
    connection.info["bench_began"] = time.perf_counter()


def end(connection: Any, *_: object) -> None:
    """After it."""
    note(connection.info["bench_began"])


def note(began: float) -> None:
    """Count what began then and ends now."""
    SECONDS.inc(time.perf_counter() - began)
    STATEMENTS.inc()
