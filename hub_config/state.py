"""Where the hub keeps what must outlive it."""

import os
from typing import Any

from . import databases
from .settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Put databases and secrets into the state folder, readable by the hub's own user only.

    JupyterHub upgrades its tables as ours are: in an SQLite file by itself after a copy, elsewhere by a command.
    """
    os.umask(0o077)  # SQLite's files too, in a folder that somebody else made and everybody may enter
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    databases.keep_password(settings)
    c.JupyterHub.db_url = databases.url_of(settings, "jupyterhub.sqlite")
    c.JupyterHub.upgrade_db = settings.database is None
    c.JupyterHub.cookie_secret_file = str(settings.state_dir / "cookie-secret")
