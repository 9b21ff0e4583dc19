"""How Prometheus gets at the hub's metrics, ``/hub/metrics``."""

from typing import Any

from .secret_file import read_or_generate
from .settings import Settings

NAME = "prometheus"


def configure(c: Any, settings: Settings) -> None:
    """Know a service that may read metrics and nothing else, by the token in ``metrics-token`` of the state folder."""
    token = read_or_generate(settings.metrics_token_file)
    c.JupyterHub.services.append({"name": NAME, "api_token": token})
    c.JupyterHub.load_roles.append(
        {
            "name": NAME,
            "description": "Reads /hub/metrics",
            "scopes": ["read:metrics"],
            "services": [NAME],
        }
    )
