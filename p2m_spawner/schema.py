"""Which version tables of ours have in a database, and how they get to the one that this code needs.

Steps are alembic's, in ``p2m_spawner/migrations``. Each group of tables counts its own versions, so that several can be
in one database, beside JupyterHub's.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
"""alembic's ``env.py``, and a folder of steps for each group of tables."""

COMMAND = "python -m p2m_spawner.migrations"
"""What brings tables in a database server up to date."""

LOCK = 0x70326D
"""PostgreSQL's advisory lock of whoever makes or changes tables of ours; the number says ``p2m``."""


_one_run = threading.Lock()
"""alembic keeps its connection in a global."""


class WrongSchema(SQLAlchemyError):
    """Tables that this code cannot work with; the text is a sentence that says what to do. They are unchanged."""


@dataclass(frozen=True)
class Schema:
    """A group of tables with versions of its own.

    Attributes:
        name: For people, and of the table that keeps the version: ``p2m_{name}_version``.
        head: The version that this code needs, the last of the steps.
        tables: Names of its tables. One of them without a version was made before versions were kept.
        steps: Folder of the steps.
    """

    name: str
    head: str
    tables: frozenset[str]
    steps: Path

    @property
    def version_table(self) -> str:
        """Name of the table that keeps the version."""
        return f"p2m_{self.name}_version"

    def is_in(self, connection: Connection) -> bool:
        """Whether a database has any of its tables."""
        return not self.tables.isdisjoint(inspect(connection).get_table_names())

    def version_in(self, connection: Connection) -> str | None:
        """The version of the tables in a database; None: there are none, or they are older than versions."""
        if not inspect(connection).has_table(self.version_table):
            return None
        found = connection.exec_driver_sql(f"select version_num from {self.version_table}").scalar()  # noqa: S608
        return None if found is None else str(found)


ACCOUNTS = Schema("accounts", "accounts1", frozenset({"p2m_accounts"}), MIGRATIONS / "accounts")
"""The table of `p2m_spawner.accounts`."""

GATEWAY = Schema("gateway", "gateway1", frozenset({"p2m_grants", "p2m_oauth_clients"}), MIGRATIONS / "gateway")
"""The tables of `p2m_spawner.gateway`."""


def prepare(engine: Engine, schema: Schema, *, upgrade: bool = False) -> None:
    """Make tables that are missing, and bring older ones up to date.

    An SQLite file is copied first, to a name beside it that ends with the time. Tables in a database server are changed
    only when asked for, after whoever runs it has made a backup. All or nothing: a step that fails leaves no trace.

    Args:
        engine: The database.
        schema: Which tables.
        upgrade: Whether older tables in a database server may be changed.

    Raises:
        WrongSchema: The tables are of a newer version, or of an older one and may not be changed.
        sqlalchemy.exc.SQLAlchemyError: The database does not answer.
    """
    with engine.connect() as connection:
        if schema.version_in(connection) == schema.head:
            return
    with _alone(engine) as connection:
        found, is_new = schema.version_in(connection), not schema.is_in(connection)
        if found == schema.head:
            return
        if not is_new:
            _allow_upgrade(engine.url, schema, found, upgrade)
        _run_steps(connection, schema)
        if not is_new:
            log.warning("Upgraded the tables of %s from %s to %s", schema.name, found or "unnumbered", schema.head)


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else makes or changes tables of ours."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")  # sqlite3 itself begins no transaction for changes of tables
        elif engine.dialect.name == "postgresql":
            connection.exec_driver_sql("set local lock_timeout = '10s'")
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({LOCK})")
        yield connection


def _allow_upgrade(url: URL, schema: Schema, found: str | None, upgrade: bool) -> None:
    """Make a backup of what is about to change, or say why it may not."""
    if found is not None and found not in _versions(schema):
        raise WrongSchema(
            f"The tables of {schema.name} in {url!r} are of a newer version ({found}) than this p2m-spawner, which "
            f"needs {schema.head}. Install the version that made them, or restore the backup from before. Nothing was "
            "changed."
        )
    if path := sqlite_file(url):
        _back_up(path)
    elif not upgrade and url.get_backend_name() != "sqlite":
        raise WrongSchema(
            f"The tables of {schema.name} in {url!r} are of an older version ({found or 'unnumbered'}); this "
            f"p2m-spawner needs {schema.head}. Back up the database, then run `{COMMAND}` with its URL as P2M_DATABASE."
        )


def _back_up(path: Path) -> None:
    """Copy an SQLite file."""
    copy = path.with_name(f"{path.name}.{datetime.now(UTC):%Y-%m-%d-%H%M%S-%f}")
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise WrongSchema(
            f"{path} has to be upgraded and cannot be copied to {copy} before ({error}). Make room there "
            "and start again. Nothing was changed."
        ) from error
    log.warning("Copied %s to %s before its tables are upgraded", path, copy)


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database; None for other databases, and for one in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    name = str(url.database)
    return None if name.startswith("file:") else Path(name)


# alembic is imported only where there is something to do: it costs each start of the gateway a tenth of a second.


def _versions(schema: Schema) -> set[str]:
    from alembic.script import ScriptDirectory

    return {step.revision for step in ScriptDirectory(MIGRATIONS, version_locations=[schema.steps]).walk_revisions()}


def _run_steps(connection: Connection, schema: Schema) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "version_table": schema.version_table})
    for name, value in (("script_location", MIGRATIONS), ("version_locations", schema.steps)):
        config.set_main_option(name, str(value).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # one folder, whatever is in its name
    with _one_run:
        command.upgrade(config, "head")
