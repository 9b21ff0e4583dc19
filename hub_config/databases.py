"""Where tables are: files in the state folder, or one PostgreSQL database for all of them."""

import os

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from p2m_spawner.database import database_url

from .settings import SettingError, Settings

PASSWORD_FILE = "database-password"  # noqa: S105
"""Name of the file in the state folder from which PostgreSQL's client library reads the password (mode 0600)."""


def url_of(settings: Settings, file: str) -> str:
    """The URL of some tables, without a password: URLs come into logs and files that need none.

    Args:
        settings: The hub's.
        file: Name of their SQLite file in the state folder, when there is no other database.

    Raises:
        SettingError: The database's URL cannot be parsed.
    """
    if settings.database is None:
        return f"sqlite:///{settings.state_dir / file}"
    url = _parsed(settings.database)
    if url.password:
        url = url.set(password=None).update_query_dict({"passfile": str(settings.state_dir / PASSWORD_FILE)})
    return url.render_as_string(hide_password=False)


def keep_password(settings: Settings) -> None:
    """Write the password of the database, if its URL has one, where `url_of` says that it is.

    Raises:
        SettingError: The database's URL cannot be parsed.
        OSError: The file cannot be written.
    """
    password = settings.database and _parsed(settings.database).password
    if not password:
        return
    escaped = (
        str(password).replace("\\", "\\\\").replace(":", "\\:")
    )  # libpq's format: host:port:database:user:password
    descriptor = os.open(settings.state_dir / PASSWORD_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(f"*:*:*:*:{escaped}\n")


def _parsed(text: str) -> URL:
    try:
        return database_url(text)
    except (ArgumentError, ValueError):
        raise SettingError(
            "P2M_DATABASE cannot be read; write what is special in its password as %XX, for example @ as %40."
        ) from None  # the cause has the password in it
