"""How many servers somebody has, and what goes when they log out or are deleted."""

from typing import Any

from .settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Set named servers, the stop on logout, and the removal of homes."""
    c.JupyterHub.allow_named_servers = settings.named_servers > 0
    c.JupyterHub.named_server_limit_per_user = settings.named_servers
    c.JupyterHub.shutdown_on_logout = settings.stop_on_logout
    c.BlenderSpawnerMixin.delete_home = settings.delete_homes
