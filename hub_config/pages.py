"""The hub's pages: our templates before the hub's own, our static files beside its own."""

from pathlib import Path
from typing import Any

from jupyterhub.handlers.static import CacheControlStaticFilesHandler

import p2m_spawner
from p2m_spawner import hub_api

from .settings import Settings

PACKAGE = Path(p2m_spawner.__file__).parent


def configure(c: Any, settings: Settings) -> None:
    """Serve ``p2m_spawner/templates``, at ``/hub/p2m/static/`` ``p2m_spawner/static``, and our part of the REST API."""
    c.JupyterHub.template_paths = [str(PACKAGE / "templates")]
    c.JupyterHub.template_vars = {"p2m_accounts": settings.auth == "accounts"}
    c.JupyterHub.extra_handlers = [
        (r"/p2m/static/(.*)", CacheControlStaticFilesHandler, {"path": str(PACKAGE / "static")}),
        *hub_api.HANDLERS,
    ]
