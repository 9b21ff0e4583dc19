"""Where the hub keeps what must outlive it."""

import os
from typing import Any

from .settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Put databases and secrets into the state folder, readable by the hub's own user only."""
    os.umask(0o077)  # SQLite's files too, in a folder that somebody else made and everybody may enter
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    c.JupyterHub.db_url = f"sqlite:///{settings.state_dir / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(settings.state_dir / "cookie-secret")
